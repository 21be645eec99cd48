import { TEMPLATE_DATE } from './chat-template.ts'
import { quoted } from './prompt-template.ts'
import { strftime } from './strftime.ts'

/** What a job may tell a chat template. */
export type FixedArguments = Readonly<Record<string, string | number | boolean | null>>

const OPENS = '{#- What a Gavel job was trained with; a caller may say otherwise. #}'
const CLOSES = '{#- The template: #}\n'

/**
 * A chat template with what its job told it written before it, so that whoever renders it sees what was trained: the
 * arguments, and the date that training has instead of a clock. Without arguments, those of an earlier job stay.
 */
export function fixedTemplate(source: string, args: FixedArguments | undefined): string {
  const at = source.startsWith(OPENS) ? source.indexOf(CLOSES) : -1
  const body = at < 0 ? source : source.slice(at + CLOSES.length)
  if (at >= 0 && !args) return source
  const fixed =
    fixedDate(body) +
    Object.entries(args ?? {})
      .map(fixedArgument)
      .join('')
  return fixed === '' ? body : OPENS + fixed + CLOSES + body
}

/** The template without what was written before it, and what that is. */
export function apart(source: string): { fixed: string; body: string } {
  const at = source.startsWith(OPENS) ? source.indexOf(CLOSES) + CLOSES.length : 0
  return { fixed: source.slice(0, at), body: source.slice(at) }
}

function fixedArgument([name, value]: [string, string | number | boolean | null]): string {
  const literal = typeof value === 'string' ? quoted(value) : value === null ? 'none' : String(value)
  return `{%- if ${name} is not defined %}{%- set ${name} = ${literal} %}{%- endif %}`
}

/** The function that templates ask for the date, answering each format that this one asks with. */
function fixedDate(body: string): string {
  const formats = [...body.matchAll(/strftime_now\(\s*(?:'([^'\\]*)'|"([^"\\]*)")\s*\)/g)].map(([, a, b]) => a ?? b!)
  if (formats.length === 0) return ''
  const dates = [...new Set(formats)].map((format) => `${quoted(format)}: ${quoted(strftime(TEMPLATE_DATE, format))}`)
  return `{%- macro strftime_now(format) %}{{- {${dates.join(', ')}}[format] }}{%- endmacro %}`
}
