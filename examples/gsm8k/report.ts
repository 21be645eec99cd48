/**
 * Prints what the run came to, in Markdown, from what the API knows of its jobs.
 *
 * usage: node examples/gsm8k/report.ts --data OUT      (the folder that run.ts was given, for memory.jsonl)
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { all, createClient } from '../../src/client.ts'
import { mean, standardDeviation } from '../../src/core/moments.ts'
import type { EvalResult } from '../../src/core/schemas/eval.ts'
import type { Job, MetricPoint, Sample } from '../../src/core/schemas/job.ts'
import { auc } from '../../src/core/stats/agreement.ts'
import { mcnemar, pairedDifference } from '../../src/core/stats/mcnemar.ts'
import { wilsonInterval } from '../../src/core/stats/wilson-interval.ts'
import { ANSWERS } from './jobs.ts'

const MODELS = ['smollm2', 'warm', 'reinforced']
const TESTS = [
  { name: 'MAWPS', tests: ['mawps'] },
  { name: 'SVAMP', tests: ['svamp'] },
  { name: 'both', tests: ['mawps', 'svamp'] },
  { name: 'GSM8K', tests: ['gsm8k'] },
]
const SFT_JOBS = ['warmup-of-smollm2', 'warmup-of-beginner', 'judge-training']
const JUDGED = ['judged-by-untaught', 'judged-by-taught', 'judged-after']

const { values: options } = parseArgs({ options: { data: { type: 'string', default: '.gavel/real-run' } } })
const api = createClient({ url: process.env.GAVEL_URL ?? '', key: process.env.GAVEL_API_KEY ?? '' })
/** The newest that succeeded, by name. */
const jobs = new Map<string, Job>()
for await (const job of api.jobs.list()) {
  if (job.state === 'succeeded' && job.name !== null && !jobs.has(job.name)) jobs.set(job.name, job)
}

const results = (model: string, tests: readonly string[]) =>
  tests.map((test) => jobs.get(`${model}-${test}`)?.result as unknown as EvalResult | undefined)
table(
  'Right answers to problems never trained on, greedy',
  ['test', ...MODELS],
  TESTS.map(({ name, tests }) => [name, ...MODELS.map((model) => share(results(model, tests)))]),
)

const paired: string[][] = []
for (const [before, after] of [
  ['smollm2', 'warm'],
  ['warm', 'reinforced'],
] as const) {
  for (const { name, tests } of TESTS) {
    const rightOfAll = async (model: string) =>
      (await Promise.all(tests.map((test) => rightOf(`${model}-${test}`)))).flat()
    const [old, now] = await Promise.all([rightOfAll(before), rightOfAll(after)])
    if (old.length === 0 || old.length !== now.length) continue
    const gained = now.filter((right, i) => right && !old[i]).length
    const lost = old.filter((right, i) => right && !now[i]).length
    const { difference, low, high } = pairedDifference(gained, lost, old.length)
    const points = `${percent(difference)} [${percent(low)}, ${percent(high)}]`
    paired.push([`${before} → ${after}, ${name}`, `${gained}`, `${lost}`, points, mcnemar(gained, lost).toPrecision(2)])
  }
}
table('The same problems, row by row (McNemar, exact)', ['', 'gained', 'lost', 'points', 'p'], paired)

const judged = await Promise.all(
  JUDGED.map(async (name) => {
    const job = jobs.get(name)
    const { correct, n, judge } = (job?.result ?? {}) as unknown as EvalResult
    if (!job || !judge) return [name, '-']
    const { scored, auc, accuracy, false_positive_rate, false_negative_rate, label_mass, mean } = judge
    const within = withinQuestions(await all(api.jobs.samples(job.id)))
    const cells = [auc, within, accuracy, false_positive_rate, false_negative_rate, label_mass, mean]
    return [name, `${scored} of ${n}`, (correct / n).toFixed(3), ...cells.map((x) => x?.toFixed(3) ?? '-')]
  }),
)
table(
  'Judges on sampled answers to canary questions',
  ['', 'scored', 'right', 'AUC', 'AUC within a question', 'accuracy', 'FPR', 'FNR', 'label mass', 'mean P(Yes)'],
  judged,
)

const [before, after] = await Promise.all(
  ['judged-by-taught', 'judged-after'].map(async (name) => byQuestion(await rightOf(name))),
)
if (before!.length > 0 && before!.length === after!.length) {
  const gains = after!.map((right, i) => right - before![i]!)
  const gain = mean(gains)!
  const margin = (1.96 * standardDeviation(gains)!) / Math.sqrt(gains.length)
  const points = `${percent(gain)} [${percent(gain - margin)}, ${percent(gain + margin)}]`
  console.log(`Sampled answers to canary questions that were right, warm → reinforced: ${points} points, by question\n`)
}

const steps = await metricsOf('grpo-of-reinforced')
if (steps.length > 0) {
  const trained = steps.filter(({ values }) => 'reward' in values)
  const names = ['seconds/rollout', 'seconds/reward', 'seconds/update', 'tokens', 'completion_length', 'truncated']
  table(
    'A GRPO step',
    ['', 'median', 'least', 'most'],
    names.map((name) => {
      const sorted = trained.map(({ values }) => values[name]!).sort((a, b) => a - b)
      return [name, ...[median(sorted), sorted[0]!, sorted.at(-1)!].map((x) => x.toFixed(2))]
    }),
  )
  const shown = ['reward', 'reward/verifier', 'reward/judge', 'overlap/correct', 'overlap/judge_auc', 'gradient_norm', 'divergence', 'zero_spread_groups', 'canary/gold', 'canary/judge'] // prettier-ignore
  const line = ({ step, values }: MetricPoint) => [`${step}`, ...shown.map((name) => values[name]?.toFixed(4) ?? '')]
  table('GRPO, step by step', ['step', ...shown], steps.map(line))
}
for (const name of SFT_JOBS) {
  const points = await metricsOf(name)
  const seconds = points.map(({ values }) => values['seconds/step']!).sort((a, b) => a - b)
  if (points.length === 0) continue
  const [first, last] = [points.slice(0, 5), points.slice(-5)].map((five) => median(five.map(({ values }) => values.loss!).sort())) // prettier-ignore
  console.log(`${name}: ${points.length} steps of ${median(seconds).toFixed(2)} s, loss ${first!.toFixed(3)} → ${last!.toFixed(3)}\n`) // prettier-ignore
}

const memory = readFileSync(join(options.data, 'memory.jsonl'), 'utf8').trim().split('\n')
const peaks = memory.map((line) => JSON.parse(line) as { name: string; job: string; peak: number; seconds: number })
table(
  'Jobs: time from asking to done, and peak memory of the process',
  ['job', 'seconds', 'GiB'],
  peaks
    .filter(({ name, job }) => jobs.get(name)?.id === job)
    .map(({ name, seconds, peak }) => [name, `${seconds}`, (peak / 2 ** 30).toFixed(2)]),
)

const stored: string[][] = []
for (const name of [...SFT_JOBS, 'grpo-of-warm', 'grpo-of-reinforced']) {
  const job = jobs.get(name)
  for (const { step, files } of job ? await all(api.jobs.checkpoints(job.id)) : []) {
    for (const file of files) stored.push([`${name}, step ${step}`, file.name, `${file.size}`])
  }
}
table('Checkpoints in the bucket', ['checkpoint', 'object', 'bytes'], stored)

async function metricsOf(name: string): Promise<MetricPoint[]> {
  const job = jobs.get(name)
  return job ? all(api.jobs.metrics(job.id)) : []
}

/** Whether each row of an evaluation was answered right, in order. */
async function rightOf(name: string): Promise<boolean[]> {
  const job = jobs.get(name)
  return job ? (await all(api.jobs.samples(job.id))).map(({ reward }) => reward === 1) : []
}

/** The share of right answers to each question. */
function byQuestion(right: readonly boolean[]): number[] {
  return Array.from({ length: right.length / ANSWERS }, (_, question) => {
    const own = right.slice(question * ANSWERS, (question + 1) * ANSWERS)
    return own.filter(Boolean).length / ANSWERS
  })
}

/**
 * Mean AUC over the questions that have right and wrong answers, weighted by their pairs: what GRPO lives on, since it
 * compares the answers of one question. The AUC over all of them is higher where a judge knows hard questions.
 */
function withinQuestions(samples: readonly Sample[]): number | null {
  let pairs = 0
  let won = 0
  for (const group of Map.groupBy(samples, ({ prompt }) => prompt).values()) {
    const graded = group.flatMap(({ reward, terms }) =>
      typeof terms?.judge === 'number' ? [{ score: terms.judge, correct: reward === 1 }] : [],
    )
    const right = graded.filter(({ correct }) => correct).length
    const count = right * (graded.length - right)
    pairs += count
    won += count * (auc(graded) ?? 0)
  }
  return pairs === 0 ? null : won / pairs
}

function median(sorted: readonly number[]): number {
  const middle = sorted.length / 2
  return (sorted[Math.floor(middle - 0.5)]! + sorted[Math.ceil(middle - 0.5)]!) / 2
}

/** Share of right answers over several evaluations, with its 95 % Wilson interval; `-` where one of them is missing. */
function share(results: readonly (EvalResult | undefined)[]): string {
  if (results.some((result) => result === undefined)) return '-'
  const [correct, n] = (['correct', 'n'] as const).map((key) => results.reduce((sum, result) => sum + result![key], 0))
  const { low, high } = wilsonInterval(correct!, n!)
  return `${percent(correct! / n!)} % [${percent(low)}, ${percent(high)}] (${correct}/${n})`
}

function percent(x: number): string {
  return (100 * x).toFixed(1)
}

function table(title: string, head: string[], rows: string[][]): void {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  console.log(`${title}\n\n${[head, head.map(() => '---'), ...rows].map(line).join('\n')}\n`)
}
