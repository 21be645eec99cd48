/**
 * The main job at real size, over the API: warm a student up, teach a judge, reinforce the student with verifier and
 * judge, and evaluate it before and after. docs/real-run.md tells the whole and what came of it.
 *
 * usage: node examples/gsm8k/run.ts PHASE… --data OUT --model GGUF [--tiny]
 *   PHASE    upload, warmup, answers, judge, grpo, evaluate, baseline; each goes on from those before it
 *   --data   the folder that data.ts wrote; memory.jsonl comes to lie there
 *   --model  SmolLM2-135M-Instruct, a path that the worker may open
 *   --tiny   a step or two of everything
 * GAVEL_URL and GAVEL_API_KEY (a key with the scopes data, judge and train) say where the API is.
 */
import { appendFileSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { all, createClient, type NewJob } from '../../src/client.ts'
import { renderJudgment } from '../../src/core/judges/template.ts'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { shuffledIndices } from '../../src/core/rl/shuffled-indices.ts'
import type { DatasetRow } from '../../src/core/schemas/dataset.ts'
import type { Job, Sample } from '../../src/core/schemas/job.ts'
import { ANSWERS, evaluation, grpo, JUDGE, judgeTest, judgeTraining, rollouts, tiny, warmup } from './jobs.ts'
import { watchPeakMemory } from './peak-memory.ts'

const UPLOADED = [
  'warmup',
  'labelled',
  'unlabelled',
  'canary',
  'judge-questions',
  'test-mawps',
  'test-svamp',
  'test-gsm8k',
]
/** One problem to solve for so many verdicts: a solution has ten times the tokens, and the loss is a mean over tokens. */
const VERDICTS_A_SOLUTION = 12
const TESTS = ['mawps', 'svamp', 'gsm8k']

const { values: options, positionals: phases } = parseArgs({
  allowPositionals: true,
  options: { data: { type: 'string' }, model: { type: 'string' }, tiny: { type: 'boolean', default: false } },
})
const folder = options.data ?? '.gavel/real-run'
const api = createClient({ url: process.env.GAVEL_URL ?? '', key: process.env.GAVEL_API_KEY ?? '' })

const PHASES: Record<string, () => Promise<void>> = {
  async upload() {
    for (const name of UPLOADED) await upload(name, rowsOf(name))
    await api.models.create({ name: 'smollm2', source: { type: 'local', path: resolve(options.model ?? '') } })
  },

  async warmup() {
    await nameResult('beginner', await run(warmup('smollm2')))
    await nameResult('warm', await run(warmup('beginner')))
  },

  async answers() {
    await run(rollouts('answers', 'beginner', 'judge-questions'))
  },

  async judge() {
    await upload('judge-training', judgeRows(await all(api.jobs.samples((await newest('answers')).id))))
    await nameResult('judge', await run(judgeTraining()))
    await api.judges.create({ name: 'taught', provider: { type: 'local', model: 'judge' }, ...JUDGE })
    await run(judgeTest('judged-by-taught', 'warm', 'taught'))
  },

  async grpo() {
    await nameResult('reinforced', await run(grpo('warm')))
    await nameResult('reinforced', await run(grpo('reinforced')))
  },

  async evaluate() {
    for (const test of TESTS) await run(evaluation(`reinforced-${test}`, 'reinforced', `test-${test}`))
    await run(judgeTest('judged-after', 'reinforced', 'taught'))
  },

  /** What the student can do before, and model and judge as they come. Any label mass will do for the comparison. */
  async baseline() {
    for (const test of TESTS) {
      for (const model of ['warm', 'smollm2']) await run(evaluation(`${model}-${test}`, model, `test-${test}`))
    }
    await api.judges.create({ name: 'untaught', provider: { type: 'local', model: 'smollm2' }, min_label_mass: 0 })
    await run(judgeTest('judged-by-untaught', 'warm', 'untaught'))
  },
}

if (phases.length === 0 || phases.some((phase) => !(phase in PHASES))) {
  console.error(`Name one or more of: ${Object.keys(PHASES).join(', ')}.`)
  process.exit(2)
}
for (const phase of phases) await PHASES[phase]!()

function rowsOf(name: string): DatasetRow[] {
  const lines = readFileSync(join(folder, `${name}.jsonl`), 'utf8')
    .trim()
    .split('\n')
  return lines.map((line) => JSON.parse(line) as DatasetRow)
}

async function upload(name: string, rows: DatasetRow[]): Promise<void> {
  const dataset = await api.datasets.create(rows.map((row) => JSON.stringify(row)).join('\n'), { name })
  console.log(`${name}: ${dataset.rows} rows, ${dataset.labelled} labelled, ${dataset.completions} completions`)
}

/**
 * What the judge is taught, in the very text that it will be shown in use: answers of the student with the verifier's
 * verdict in a word, a right and a wrong one to the same question each time, so that knowing hard questions earns
 * nothing; right and spoiled solutions; and, so that it keeps the skill it needs to judge, problems to solve. Answers
 * that state no number are left out, since the gate keeps those from the judge.
 */
function judgeRows(samples: readonly Sample[]): DatasetRow[] {
  const questions = rowsOf('judge-questions')
  const questionOf = ({ index }: Sample) => Math.floor(index / ANSWERS)
  const order = [...shuffledIndices(samples.length, new SeededRng(1, 'judge-rows'))].map((i) => samples[i]!)
  const pairs = [...Map.groupBy(order, questionOf).values()].flatMap((answers) => {
    const right = answers.filter(({ reward }) => reward === 1)
    const wrong = answers.filter(({ reward }) => reward !== 1 && reward !== 0)
    return right.slice(0, wrong.length).flatMap((answer, i) => [answer, wrong[i]!])
  })
  const graded = pairs.map((sample) => ({
    question: questions[questionOf(sample)]!.prompt!,
    answer: sample.completion,
    verdict: sample.reward === 1 ? JUDGE.labels.yes : JUDGE.labels.no,
  }))
  const made = rowsOf('judge-solutions').map(({ prompt, completion, answer }) => ({
    question: prompt!,
    answer: completion!,
    verdict: answer!,
  }))
  const judgments = [...graded, ...made].map(({ verdict, ...item }) => ({
    messages: renderJudgment(JUDGE.template, JUDGE.labels, item),
    completion: verdict,
  }))
  console.log(`judge: ${pairs.length / 2} pairs out of ${samples.length} answers, ${made.length} made`)
  return [...judgments, ...rowsOf('warmup').slice(0, judgments.length / VERDICTS_A_SOLUTION)]
}

/** Runs a job to its end. Throws, with the job's own message, where it fails. */
async function run(wanted: NewJob): Promise<Job> {
  const spec = options.tiny ? tiny(wanted) : wanted
  const started = performance.now()
  const job = await api.jobs.create(spec)
  console.log(`${spec.name}: ${job.id}`)
  const memory = watchPeakMemory()
  for await (const news of api.jobs.watch(job.id)) {
    if ('event' in news) console.log(`  ${news.event.level}: ${news.event.message}`)
    else console.log(`  ${JSON.stringify(news.metrics)}`)
  }
  const peak = memory.stop()
  const seconds = Math.round((performance.now() - started) / 1000)
  appendFileSync(join(folder, 'memory.jsonl'), `${JSON.stringify({ name: spec.name, job: job.id, peak, seconds })}\n`)
  const ended = await api.jobs.get(job.id)
  if (ended.state !== 'succeeded') throw new Error(`${job.id} ${ended.state}: ${ended.error?.message ?? ''}`)
  console.log(`  ${JSON.stringify(ended.result)} in ${seconds} s, peak ${peak && (peak / 2 ** 30).toFixed(2)} GiB`)
  return ended
}

/** The newest job of a name that succeeded. */
async function newest(name: string): Promise<Job> {
  for await (const job of api.jobs.list({ state: 'succeeded' })) if (job.name === name) return job
  throw new Error(`There is no job ${name} yet: run its phase first.`)
}

/** Names the weights that a job has made. */
async function nameResult(name: string, { id }: Job): Promise<void> {
  const [last] = await all(api.jobs.checkpoints(id, { limit: 1 }))
  await api.models.create({ name, source: { type: 'checkpoint', checkpoint: last!.id } })
}
