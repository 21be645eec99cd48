import type { Command } from 'commander'
import type { EvalComparison, EvalResult } from '../core/schemas/eval.ts'
import { apiCommand, connect, type ApiOptions } from './api-command.ts'
import { follow } from './follow.ts'
import type { Io } from './io.ts'
import { addJobFlags, createFromFlags } from './job-flags.ts'
import { figure, percent, print } from './output.ts'

/** `gavel eval`: how a model does on a dataset; `gavel eval compare`: which of two does better. */
export function registerEval(program: Command, io: Io): void {
  const description = 'measure how a model does on a dataset, by a verifier, a judge, or both'
  const evaluation = addJobFlags(apiCommand(program, 'eval', description), 'eval')
  evaluation.action(async (options: ApiOptions) => {
    const api = connect(io, options)
    const job = await createFromFlags(api, 'eval', { ...options })
    // Standard output is for the result.
    const ended = await follow(io, api, job, {}, (line) => io.err(`${line}\n`))
    print(io, options, { job: ended.id, ...(ended.result as unknown as EvalResult) }, describeResult)
    if (!options.json) io.err(`\`gavel jobs download ${job.id} --out DIR\` fetches every answer.\n`)
  })

  evaluation.enablePositionalOptions()
  apiCommand(
    evaluation,
    'compare <before> <after>',
    'compare two evaluations of one dataset, row by row, by their jobs',
  ).action(async (before: string, after: string, options: ApiOptions) => {
    print(io, options, await connect(io, options).jobs.compare(before, after), describeComparison)
  })
}

type Interval = { low: number; high: number }
const interval = ({ low, high }: Interval) => `95 % interval ${percent(low)} to ${percent(high)}`

function describeResult(result: EvalResult): string {
  const { accuracy, correct, n, judge } = result
  const lines: string[] = []
  if (accuracy !== null) lines.push(`accuracy ${percent(accuracy)} (${figure(correct)} of ${n}), ${interval(result)}`)
  for (const [name, list] of [['pass', result.pass_at_k] as const, ['majority', result.majority_at_k] as const]) {
    for (const { k, value, ...bounds } of list ?? []) lines.push(`${name}@${k} ${percent(value)}, ${interval(bounds)}`)
  }
  if (judge) {
    const { scored, mean, accepted, auc } = judge
    const share = accepted === null ? 'accepts none' : `accepts ${percent(accepted)}, ${interval(judge)}`
    const more = [mean === null ? '' : `, mean P(Yes) ${figure(mean)}`, auc === null ? '' : `, AUC ${figure(auc)}`]
    lines.push(`judge ${share} (${scored} answers scored${more.join('')})`)
  }
  return lines.join('\n')
}

const verdict = (difference: number) => (difference > 0 ? 'better' : difference < 0 ? 'worse' : 'the same')

function describeComparison(c: EvalComparison): string {
  const what = c.by === 'verifier' ? 'solved' : 'accepted by the judge'
  const columns = [
    ['before', c.a, percent(c.accuracy_a), `${c.both + c.only_a} of ${c.n} ${what}, ${c.only_a} of them by it alone`],
    ['after ', c.b, percent(c.accuracy_b), `${c.both + c.only_b} of ${c.n} ${what}, ${c.only_b} of them by it alone`],
  ]
  const points = (share: number) => `${share < 0 ? '−' : '+'}${(100 * Math.abs(share)).toFixed(1)}`
  const chance = c.p_value < 1e-4 ? c.p_value.toExponential(1) : c.p_value.toFixed(4)
  const low = `${points(c.low)} to ${points(c.high)}`
  return [
    ...columns.map((cells) => cells.join('  ')),
    `after − before: ${points(c.difference)} points (${verdict(c.difference)}), 95 % interval ${low}; exact McNemar p = ${chance}`,
    ...(c.left_out ? [`${c.left_out} rows with a verdict by only one of them are left out`] : []),
  ].join('\n')
}
