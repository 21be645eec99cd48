import type { Command } from 'commander'
import type { ProviderTakes } from '../core/ports.ts'
import type { Judge, JudgeProbe } from '../core/schemas/judge.ts'
import { apiCommand, connect, type ApiOptions } from './api-command.ts'
import { CliError, type Io } from './io.ts'
import { figure, percent, print } from './output.ts'

/** `gavel judge doctor`: what a judge's provider can, and what to change. */
export function registerJudgeDoctor(judge: Command, io: Io): void {
  apiCommand(
    judge,
    'doctor <judge>',
    'try a judge: what its provider takes and tells, and what to change; exit code 1 where it gives no score',
  ).action(async (id: string, options: ApiOptions) => {
    const tried = await connect(io, options).judges.probe(id)
    print(io, options, tried, describeProbe)
    if (!tried.probe?.usable) throw new CliError('The judge gave no score.')
  })
}

/** What to tell whoever made a judge of how it did when it was tried; nothing where that was well. */
export const warningsOf = ({ warnings = [] }: Judge): string => warnings.map((one) => `warning: ${one}\n`).join('')

function describeProbe(judge: Judge): string {
  const { id, name, version, probe, warnings = [] } = judge
  const title = `${id}${name === null ? '' : ` ${name} (version ${version})`}`
  if (!probe) return `${title} was never tried`
  const rows = linesOf(judge, probe)
  const width = Math.max(0, ...rows.map(([label]) => label.length))
  const shown = rows.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`)
  const advice = warnings.length === 0 ? ['nothing to change'] : ['to change:', ...warnings.map((one) => `  - ${one}`)]
  return [`${title} ${probe.usable ? 'can be used' : 'gives no score'}`, ...shown, ...advice].join('\n')
}

function linesOf({ labels }: Judge, probe: JudgeProbe): [string, string][] {
  const { takes, label_tokens, repeat_difference } = probe
  const tokensOf = (side: 'yes' | 'no') => {
    const tokens = label_tokens![side].map(
      ({ token, probability }) => `${JSON.stringify(token)} ${percent(probability)}`,
    )
    return tokens.join(', ') || 'not among the alternatives'
  }
  return [
    ...(probe.probability === null ? [] : [row(`P(${labels.yes})`, figure(probe.probability))]),
    ...(probe.label_mass === null ? [] : [row('label mass', figure(probe.label_mass))]),
    ...(label_tokens ? [row(labels.yes, tokensOf('yes')), row(labels.no, tokensOf('no'))] : []),
    ...(probe.alternatives === null
      ? []
      : [row('alternatives', `${probe.alternatives} given${takes ? ` of ${takes.top_logprobs} asked for` : ''}`)]),
    ...(takes ? [row('takes', fieldsTaken(takes)), row('refused', fieldsRefused(takes))] : []),
    ...(probe.latency_ms === null ? [] : [row('latency', `${Math.round(probe.latency_ms)} ms`)]),
    ...(repeat_difference === null
      ? []
      : [
          row('equal calls', repeat_difference === 0 ? 'give equal numbers' : `differ by ${figure(repeat_difference)}`),
        ]),
  ]
}

const row = (label: string, text: string): [string, string] => [label, text]

const fieldsTaken = (takes: ProviderTakes) =>
  [
    `top_logprobs ${takes.top_logprobs}`,
    `${takes.max_tokens_field} ${takes.max_tokens}`,
    ...(takes.temperature ? ['temperature 0'] : []),
    ...(takes.chat_template_kwargs ? ['chat_template_kwargs'] : []),
  ].join(', ')

/** Of a provider of chat; `completions` are not told about thinking at all. */
const fieldsRefused = (takes: ProviderTakes) =>
  [
    ...(takes.max_tokens_field === 'max_completion_tokens' ? ['max_tokens'] : []),
    ...(takes.temperature ? [] : ['temperature 0']),
    ...(takes.chat_template_kwargs ? [] : ['chat_template_kwargs (or not sent)']),
  ].join(', ') || 'nothing'
