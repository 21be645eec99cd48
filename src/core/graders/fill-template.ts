import { GavelError } from '../errors.ts'
import { hasLostDigits, parseJsonKeepingDigits } from '../json.ts'
import type { GraderError } from '../schemas/grader.ts'

/** What `{{…}}` in a grader may refer to. */
export interface GraderContext {
  item: Readonly<Record<string, unknown>>
  sample: Readonly<Record<string, unknown>>
}

/** A grade that cannot be had, and under which of the errors it falls. */
export class GradeFailure extends Error {
  readonly flag: GraderError

  constructor(flag: GraderError, message: string) {
    super(message)
    this.name = 'GradeFailure'
    this.flag = flag
  }
}

/** The longest text that a template may come to, in UTF-16 units. */
export const MAX_FILLED_CHARS = 1_000_000

const PLACE = /\{\{\s{0,16}([^{}]{1,256}?)\s{0,16}\}\}/g
const PATH = /^(item|sample)((?:\.[\p{L}\p{M}\p{N}_-]{1,128}|\[\d{1,6}\]|\["[^"\]]{1,128}"\]|\['[^'\]]{1,128}'\])+)$/u
const STEP = /\.([^.[]+)|\[(\d+)\]|\["([^"\]]+)"\]|\['([^'\]]+)'\]/g

/** The context of a model's output. `output_json` is there only where the text is JSON. */
export function graderContext(modelSample: string, item: Record<string, unknown> | null | undefined): GraderContext {
  const message = { role: 'assistant', content: modelSample }
  const sample: Record<string, unknown> = { output_text: modelSample, output_tools: [], choices: [{ message }] }
  try {
    sample.output_json = parseJsonKeepingDigits(modelSample)
  } catch {
    // Then nothing may refer to it.
  }
  return { item: item ?? {}, sample }
}

/**
 * Puts values into a template. What is put in is not read again: braces inside it mean nothing.
 * @throws GradeFailure `invalid_variable_error` or, for output that should be JSON and is not, or has lost digits,
 *   `sample_parse_error`; GavelError `too_large` for a text of more than {@link MAX_FILLED_CHARS}
 */
export function fillTemplate(template: string, context: GraderContext): string {
  let length = template.length
  return template.replace(PLACE, (whole, path: string) => {
    const text = valueAt(path, whole, context)
    length += text.length - whole.length
    if (length <= MAX_FILLED_CHARS) return text
    const message = `The grader's template comes to more than ${MAX_FILLED_CHARS} characters at ${whole}; let it show less.`
    throw new GavelError('too_large', message, { param: 'grader' })
  })
}

function valueAt(path: string, whole: string, context: GraderContext): string {
  const value = lookUp(path, context)
  if (value !== undefined) return typeof value === 'string' ? value : written(value, whole)
  if (/^sample\.output_json\b/.test(path) && !Object.hasOwn(context.sample, 'output_json')) {
    throw new GradeFailure('sample_parse_error', `${whole}: the model's output is not JSON.`)
  }
  throw new GradeFailure('invalid_variable_error', `${whole} is not in the item or the sample.`)
}

/** @throws GradeFailure for a number whose last digits were lost when its JSON was read */
function written(value: unknown, place: string): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (!hasLostDigits(inner)) return inner
    const message = `${place} has a number of more digits than JSON's numbers keep; give it as text.`
    throw new GradeFailure(place.includes('sample') ? 'sample_parse_error' : 'invalid_variable_error', message)
  })
}

/** Own properties only. */
function lookUp(path: string, context: GraderContext): unknown {
  const [, root, steps] = PATH.exec(path) ?? []
  if (root === undefined || steps === undefined) return undefined
  let value: unknown = context[root as keyof GraderContext]
  for (const [, name, index, quoted, single] of steps.matchAll(STEP)) {
    const key = (name ?? index ?? quoted ?? single)!
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return undefined
    value = (value as Record<string, unknown>)[key]
  }
  return value
}
