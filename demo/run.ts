/**
 * `npm run demo`: the whole job over the public HTTP API. A tiny student that solves some word problems is
 * trained on a few labelled and many unlabelled ones; a verifier rewards the former, a tiny judge, which sees
 * question and answer only, rewards all. Before and after are measured on problems never trained on.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createClient, type Client, type NewJob } from '../src/client.ts'
import type { EvalResult } from '../src/core/schemas/eval.ts'
import type { Job, MetricPoint } from '../src/core/schemas/job.ts'
import { problems, toJsonl, type Problem } from './problems.ts'
import { progress } from './progress.ts'
import { GRPO_CONFIG, JUDGE, PROMPT_TEMPLATE } from './recipe.ts'
import { startDev } from './start-dev.ts'

const USAGE = `usage: npm run demo -- [options]
  --seed N         another seed: other problems to train on, other rollouts (default 1)
  --lambda X       weight of the verifier, 0 to 1; the judge has the rest. 0: no label at all (default 0.7)
  --judge WHICH    strong, or weak: one that a student learns to fool (default strong)
  --steps N        GRPO steps (default 60)
  --json FILE      write {seed, before, after, steps, seconds} there
  --data DIR       where database, checkpoints and models are kept (default .gavel/demo, emptied first)`

const HELD_OUT = 1000
const CANARY = 200
const LABELLED = 64
const UNLABELLED = 576
const JUDGES = { strong: 'judge', weak: 'judge-weak' } as const

const models = fileURLToPath(new URL('./models/', import.meta.url))

async function run(gavel: { url: string }, api: Client): Promise<void> {
  const { seed, lambda, steps } = options
  console.log(`Gavel is up on ${gavel.url}: API, SQLite, a folder as object store, one worker.\n`)

  // What a user brings: problems, a model, a judge.
  const heldOut = problems({ seed: 31_337, count: HELD_OUT, heldout: true })
  const canary = problems({ seed: 424_243, count: CANARY, heldout: true, exclude: heldOut.map((p) => p.question) })
  const pool = problems({ seed: 5000 + seed, count: LABELLED + UNLABELLED, heldout: false })
  const upload = (name: string, rows: Problem[], answers: boolean) =>
    api.datasets.create(toJsonl(rows, answers), { name })
  const labelled = lambda > 0 ? await upload('labelled', pool.slice(0, LABELLED), true) : null
  const unlabelled = await upload('unlabelled', pool.slice(LABELLED), false)
  const test = await upload('held-out', heldOut, true)
  const watched = await upload('canary', canary, true)
  const student = await api.models.create({ name: 'student', source: { type: 'local', path: join(models, 'student') } })
  const judgeModel = await api.models.create({
    name: 'judge-model',
    source: { type: 'local', path: join(models, JUDGES[options.judge]) },
  })
  const judge = await api.judges.create({
    name: options.judge,
    provider: { type: 'local', model: judgeModel.id },
    ...JUDGE,
  })
  const labels = labelled ? `${labelled.rows} labelled and ` : 'no labelled and '
  console.log(
    `Training problems: ${labels}${unlabelled.rows} unlabelled. Held out: ${test.rows}. Canary: ${watched.rows}.`,
  )
  await showJudge(api, judge.id, heldOut[0]!)

  // The job: evaluate, train, evaluate.
  const evaluation = (model: string): NewJob => ({
    type: 'eval',
    model,
    dataset: test.id,
    prompt_template: PROMPT_TEMPLATE,
    verifier: 'math',
    config: { max_new_tokens: GRPO_CONFIG.max_new_tokens },
  })
  const before = await follow<EvalResult>(api, 'before', evaluation(student.id), test.rows, evalLine)
  const training = await follow<{
    stopped_by_canary: boolean
    canary: { gold: number; judge: number; step: number }[]
  }>(
    api,
    'train',
    {
      type: 'grpo',
      model: student.id,
      data: { ...(labelled && { labelled: labelled.id }), unlabelled: unlabelled.id, canary: watched.id },
      prompt_template: PROMPT_TEMPLATE,
      reward: { lambda, mu: 1 - lambda, judge: judge.id, verifier: 'math' },
      config: { ...GRPO_CONFIG, schedule: 'linear', seed, steps, labelled_share: 0.5, canary_every: 5 },
    },
    steps,
    trainLine,
  )
  const checkpoint = (await toArray(api.jobs.checkpoints(training.job.id))).reduce((a, b) => (a.step > b.step ? a : b))
  const after = await follow<EvalResult>(api, 'after', evaluation(checkpoint.id), test.rows, evalLine)

  // What came of it.
  const seconds = Math.round((performance.now() - started) / 1000)
  console.log(`\n${'held-out problems solved'.padEnd(28)}${'share'.padStart(8)}   95 % interval`)
  for (const [name, { correct, n, low, high }] of [
    ['before', before.result],
    ['after', after.result],
  ] as const) {
    const solved = `${name} (${correct} of ${n})`
    console.log(`${solved.padEnd(28)}${percent(correct / n).padStart(8)}   ${percent(low)} to ${percent(high)}`)
  }
  console.log(`\n${verdict(before.result, after.result)}`)
  console.log('Canary, never trained on:   step     truth    judge')
  for (const { step, gold, judge } of training.result.canary) {
    console.log(`${String(step).padStart(32)}${percent(gold).padStart(10)}${percent(judge).padStart(9)}`)
  }
  for (const { level, message } of await toArray(api.jobs.events(training.job.id))) {
    if (level !== 'info') console.log(`${level}: ${message}`)
  }
  await saveCheckpoint(api, checkpoint.id, join(options.data, 'student-after'))
  console.log(`
${steps} steps, ${seconds} s in all. Where to look next:
  the trained student   ${join(options.data, 'student-after')} (config, tokenizer, safetensors)
  jobs, curves, samples npx gavel dev --data ${options.data}, then npx gavel jobs list (it prints the key to use)
  the API, described    /docs on that server; openapi.yaml in this folder
  a judge being fooled  npm run demo -- --lambda 0 --judge weak`)
  if (options.json) {
    const figures = ({ correct, n, low, high }: EvalResult) => ({ correct, n, low, high })
    const report = { seed, before: figures(before.result), after: figures(after.result), steps, seconds }
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
  }
}

/** Creates a job and shows a bar until it ends. Throws, with the job's own message, where it fails. */
async function follow<R>(
  api: Client,
  title: string,
  spec: NewJob,
  total: number,
  line: (point: MetricPoint) => string,
) {
  const job = await api.jobs.create(spec)
  const bar = progress(title.padEnd(7), total)
  for await (const news of api.jobs.watch(job.id)) {
    if ('metrics' in news) bar.update(news.metrics.step, line(news.metrics))
  }
  const ended: Job = await api.jobs.get(job.id)
  if (ended.state !== 'succeeded')
    throw new Error(`${title}: job ${job.id} ${ended.state}: ${ended.error?.message ?? ''}`)
  bar.end()
  return { job: ended, result: ended.result as R }
}

const evalLine = ({ values }: MetricPoint) => `${percent(values['eval/accuracy'] ?? 0)} right`
const trainLine = ({ values }: MetricPoint) =>
  [
    `reward ${(values.reward ?? 0).toFixed(3)}`,
    `judge ${(values['reward/judge'] ?? 0).toFixed(3)}`,
    ...('canary/gold' in values ? [`canary ${percent(values['canary/gold'])}`] : []),
  ].join('  ')

/** Asks the judge about one right and one wrong answer, as a reward-as-a-service user would. */
async function showJudge(api: Client, judge: string, { question, equations, answer }: Problem): Promise<void> {
  const chain = equations.map(
    ({ left, op, right, value }, i) => `${i ? 'Then' : 'First'} ${left}${op}${right}=${value}.`,
  )
  const items = [answer, answer + 1].map((stated) => ({ question, answer: `${chain.join(' ')}\n#### ${stated}` }))
  const [right, wrong] = await api.judge(judge, items)
  const shown = (p: number | null | undefined) => (p === null || p === undefined ? 'no score' : p.toFixed(3))
  console.log(
    `The judge on a right answer: P(Yes) = ${shown(right?.reward)}; on a wrong one: ${shown(wrong?.reward)}.\n`,
  )
}

async function saveCheckpoint(api: Client, id: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  for (const { name } of (await api.checkpoints.get(id)).files) {
    if (name === 'optimizer.safetensors') continue
    writeFileSync(join(folder, name), new Uint8Array(await (await api.checkpoints.file(id, name)).arrayBuffer()))
  }
}

function verdict(before: EvalResult, after: EvalResult): string {
  if (after.low > before.high) return 'Better: the intervals do not touch.\n'
  if (after.high < before.low)
    return 'Worse: the intervals do not touch. The job rewarded something else than the truth.\n'
  return 'The intervals overlap: no difference can be claimed.\n'
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

async function toArray<T>(list: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of list) items.push(item)
  return items
}

function readOptions() {
  const fail = (message: string): never => {
    console.error(`${message}\n${USAGE}`)
    process.exit(2)
  }
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string', default: '1' },
        lambda: { type: 'string', default: '0.7' },
        judge: { type: 'string', default: 'strong' },
        steps: { type: 'string', default: '60' },
        json: { type: 'string' },
        data: { type: 'string', default: '.gavel/demo' },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      process.exit(0)
    }
    const [seed, lambda, steps] = [Number(values.seed), Number(values.lambda), Number(values.steps)]
    if (!Number.isSafeInteger(seed) || seed < 0 || seed >= 2 ** 32)
      fail(`--seed is ${values.seed}; give a whole number from 0`)
    if (!(lambda >= 0 && lambda <= 1)) fail(`--lambda is ${values.lambda}; give a number from 0 to 1`)
    if (!Number.isInteger(steps) || steps < 1) fail(`--steps is ${values.steps}; give a whole number from 1`)
    if (!(values.judge in JUDGES)) fail(`--judge is ${values.judge}; give strong or weak`)
    return { ...values, seed, lambda, steps, judge: values.judge as keyof typeof JUDGES }
  } catch (error) {
    return fail((error as Error).message)
  }
}

const options = readOptions()
const started = performance.now()
rmSync(options.data, { recursive: true, force: true })
mkdirSync(options.data, { recursive: true })
const gavel = await startDev(options.data)
try {
  await run(gavel, createClient(gavel))
} catch (error) {
  console.error(`\nThe demo did not get to its end: ${(error as Error).message}`)
  process.exitCode = 1
} finally {
  await gavel.stop()
}
