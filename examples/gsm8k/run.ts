/**
 * The main job at real size, over the API: warm a student up, teach a judge, reinforce the student with verifier and
 * judge, and evaluate it before and after. docs/real-run.md tells the whole and what came of it.
 *
 * usage: node examples/gsm8k/run.ts PHASE… --data OUT --model GGUF [--tiny]
 *   PHASE    upload, warmup, before, judge, grpo, after; each goes on from those before it
 *   --data   the folder that data.ts wrote; memory.jsonl comes to lie there
 *   --model  SmolLM2-135M-Instruct, a path that the worker may open
 *   --tiny   a step or two of everything
 * GAVEL_URL and GAVEL_API_KEY (a key with the scopes data, judge and train) say where the API is.
 */
import { appendFileSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { all, createClient, type NewJob } from '../../src/cli/client.ts'
import { renderJudgment } from '../../src/core/judges/template.ts'
import type { DatasetRow } from '../../src/core/schemas/dataset.ts'
import type { Job } from '../../src/core/schemas/job.ts'
import { ANSWERS, evaluation, grpo, JUDGE, judgeTraining, rollouts, tiny, warmup } from './jobs.ts'
import { watchPeakMemory } from './peak-memory.ts'

const UPLOADED = ['warmup', 'labelled', 'unlabelled', 'canary', 'test-mawps', 'test-svamp', 'test-gsm8k']
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
    // Every question as often as it is to be answered.
    await upload('canary-repeated', repeat(rowsOf('canary'), ANSWERS.canary))
    await upload('labelled-repeated', repeat(rowsOf('labelled'), ANSWERS.labelled))
    await api.models.create({ name: 'smollm2', source: { type: 'local', path: resolve(options.model ?? '') } })
  },

  async warmup() {
    await nameResult('warm', await run(warmup()))
  },

  async before() {
    for (const model of ['warm', 'smollm2']) {
      for (const test of TESTS) await run(evaluation(`${model}-${test}`, model, `test-${test}`))
    }
    // The judge as it comes; any label mass will do, so that there is something to compare.
    await api.judges.create({ name: 'untaught', provider: { type: 'local', model: 'smollm2' }, min_label_mass: 0 })
    await run(rollouts('judged-by-untaught', 'warm', 'canary-repeated', 'untaught'))
  },

  async judge() {
    const { id } = await run(rollouts('answers', 'warm', 'labelled-repeated'))
    await upload('judge-training', judgeRows(await all(api.jobs.samples(id))))
    await nameResult('judge', await run(judgeTraining()))
    await api.judges.create({ name: 'taught', provider: { type: 'local', model: 'judge' }, ...JUDGE })
    await run(rollouts('judged-by-taught', 'warm', 'canary-repeated', 'taught'))
  },

  async grpo() {
    await nameResult('reinforced', await run(grpo()))
  },

  async after() {
    for (const test of TESTS) await run(evaluation(`reinforced-${test}`, 'reinforced', `test-${test}`))
    await run(rollouts('judged-after', 'reinforced', 'canary-repeated', 'taught'))
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

function repeat(rows: DatasetRow[], times: number): DatasetRow[] {
  return rows.flatMap((row) => Array<DatasetRow>(times).fill(row))
}

async function upload(name: string, rows: DatasetRow[]): Promise<void> {
  const dataset = await api.datasets.create(rows.map((row) => JSON.stringify(row)).join('\n'), { name })
  console.log(`${name}: ${dataset.rows} rows, ${dataset.labelled} labelled, ${dataset.completions} completions`)
}

/**
 * What the judge is taught: the student's answers to labelled questions, as the judge will see them, with the
 * verifier's verdict in a word. Answers that state no number are left out, since the gate keeps those from the judge.
 */
function judgeRows(samples: { index: number; completion: string; reward?: number | null | undefined }[]): DatasetRow[] {
  const questions = repeat(rowsOf('labelled'), ANSWERS.labelled)
  return samples
    .filter(({ reward }) => reward !== 0)
    .map(({ index, completion, reward }) => {
      const item = { question: questions[index]!.prompt!, answer: completion }
      const verdict = reward === 1 ? JUDGE.labels.yes : JUDGE.labels.no
      return { messages: renderJudgment(JUDGE.template, JUDGE.labels, item), completion: verdict }
    })
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

/** Names the weights that a job has made. */
async function nameResult(name: string, { id }: Job): Promise<void> {
  const [newest] = await all(api.jobs.checkpoints(id, { limit: 1 }))
  await api.models.create({ name, source: { type: 'checkpoint', checkpoint: newest!.id } })
}
