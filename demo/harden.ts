/**
 * `npm run demo:harden`: takes the judge that students learn to fool (or the good one), and hardens it: a student trains against it alone,
 * what it wrote on its way is graded, the judge is taught on that, and so on. At the end a label-free job that had
 * collapsed is a gain.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { hardenJudge, type Hardened } from '../src/cli/harden-judge.ts'
import { createClient, type Client } from '../src/client.ts'
import { problems, toJsonl, type Problem } from './problems.ts'
import { GRPO_CONFIG, JUDGE, PROMPT_TEMPLATE } from './recipe.ts'
import { goldText } from './solutions.ts'
import { startDev } from './start-dev.ts'

const USAGE = `usage: npm run demo:harden -- [options]
  --seed N         another seed: other problems to train on, other rollouts (default 1)
  --judge WHICH    weak or strong (default weak)
  --rounds N       most rounds (default 8)
  --steps N        GRPO steps of a round (default 40)
  --lessons N      SFT steps after a round (default 300)
  --json FILE      write the figures of every round there
  --data DIR       where database, checkpoints and models are kept (default .gavel/harden, emptied first)`

const HELD_OUT = 1000
const PROMPTS = 1280

const models = fileURLToPath(new URL('./models/', import.meta.url))

async function run(api: Client): Promise<void> {
  const [seed, rounds, steps, lessons] = [options.seed, options.rounds, options.steps, options.lessons].map(Number)
  const upload = async (name: string, rows: Parameters<typeof toJsonl>[0]) =>
    (await api.datasets.create(toJsonl(rows, true), { name })).id
  const local = async (name: string) =>
    (await api.models.create({ name, source: { type: 'local', path: join(models, name) } })).id
  const judge = await api.judges.create({
    name: 'maths',
    provider: { type: 'local', model: await local(options.judge === 'strong' ? 'judge' : 'judge-weak') },
    ...JUDGE,
  })
  const hardened = await hardenJudge(api, {
    say: (line) => console.log(line),
    judge: judge.id,
    student: await local('student'),
    prompts: await upload('prompts', problems({ seed: 5000 + seed!, count: PROMPTS, heldout: false })),
    heldOut: (
      await api.datasets.create(solved(problems({ seed: 31_337, count: HELD_OUT, heldout: true })), {
        name: 'held-out',
      })
    ).id,
    promptTemplate: PROMPT_TEMPLATE,
    rounds: rounds!,
    seed: seed!,
    grpo: { ...GRPO_CONFIG, steps: steps! },
    sft: {
      steps: lessons!,
      batch_size: 96,
      max_tokens: 256,
      learning_rate: 5e-4,
      warmup_steps: 20,
      schedule: 'cosine',
      beta2: 0.98,
      micro_batch_tokens: 4096,
    },
  })
  console.log(`\n${report(hardened)}`)
  if (options.json) writeFileSync(options.json, `${JSON.stringify({ seed, ...hardened }, null, 2)}\n`)
}

/** As JSONL, with right solutions: attacks of an audit are made of them. */
const solved = (rows: Problem[]) =>
  rows.map((p) => JSON.stringify({ prompt: p.question, answer: String(p.answer), completion: goldText(p) })).join('\n')

function report({ before, rounds }: Hardened): string {
  const lines = rounds.map(
    ({ fooled, worst_cheat, student: { accuracy, low, high }, on_the_way: { auc_within_question } }, i) => {
      const cells = [
        percent(fooled),
        percent(worst_cheat?.rate ?? null),
        auc_within_question?.toFixed(3) ?? '-',
        percent(accuracy),
      ]
      return `${String(i + 1).padStart(5)}${cells.map((cell) => cell.padStart(18)).join('')}   ${percent(low)} to ${percent(high)}`
    },
  )
  return [
    `Before any training the student solves ${percent(before.accuracy)} of ${before.n} held-out problems.`,
    'round   wrong accepted       worst cheat   AUC in question     student after   95 % interval',
    ...lines,
  ].join('\n')
}

const percent = (value: number | null): string => (value === null ? '-' : `${(100 * value).toFixed(1)} %`)

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    judge: { type: 'string', default: 'weak' },
    rounds: { type: 'string', default: '8' },
    steps: { type: 'string', default: '40' },
    lessons: { type: 'string', default: '300' },
    json: { type: 'string' },
    data: { type: 'string', default: '.gavel/harden' },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(USAGE)
  process.exit(0)
}
rmSync(options.data, { recursive: true, force: true })
mkdirSync(options.data, { recursive: true })
const gavel = await startDev(options.data)
try {
  await run(createClient(gavel))
} catch (error) {
  console.error(`\nHardening did not get to its end: ${(error as Error).message}`)
  process.exitCode = 1
} finally {
  await gavel.stop()
}
