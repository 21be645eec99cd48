/**
 * Makes the judge that ships, in two rounds. The first teaches the finished teacher to say Yes or No to the answers of
 * honest students, of students that had learned to fool the weak judge, and to gold solutions with one thing spoiled.
 * The second goes on from what the first made, with the answers of students that had trained against that.
 * About 10 minutes and 7.
 *
 * usage: node demo/build/strong-judge.ts FOLDER ROUND
 *   FOLDER  where the other scripts have written
 *   ROUND   judge-first or judge: what is made, and the name of its folder
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import type { Weights } from '../../src/gpu-worker/models/weights.ts'
import { chance, pick } from '../draw.ts'
import { drawCareless, drawMutated, rollouts, type GradedAnswer } from './graded-answers.ts'
import { judgeQuality, trainJudge } from './judge.ts'
import { exportModel, readWeights } from './weights-file.ts'

const [folder = 'demo/build/out', round = 'judge-first'] = process.argv.slice(2)

const LAST_TEACHER = 4800
const teacher = (step: number): Weights => readWeights(join(folder, `teacher-${step}.safetensors`))
const fooled = (judge: string, seed: number, step: number): Weights =>
  readWeights(join(folder, `fooled-${judge}-${seed}`, `model-${step}.safetensors`))
/** Students on their way to fooling a judge. Those of seed 13 are kept for the test. */
const fooledBy = (judge: string) =>
  [11, 12].flatMap((seed) => [15, 30, 45, 60].map((step) => ({ writer: fooled(judge, seed, step), count: 400 })))

interface Round {
  seed: number
  steps: number
  peak: number
  start: () => Weights
  /** Whose answers are added to those of honest students at several stages and of the teacher's own late self. */
  fooled: readonly string[]
}

const ROUNDS: Record<string, Round> = {
  'judge-first': { seed: 3, steps: 2400, peak: 1e-3, start: () => teacher(LAST_TEACHER), fooled: ['judge-weak'] },
  judge: {
    seed: 4,
    steps: 1500,
    peak: 6e-4,
    start: () => readWeights(join(folder, 'judge-first', 'model.safetensors')),
    fooled: ['judge-weak', 'judge-first'],
  },
}
const { seed, steps, peak, start, fooled: judges } = ROUNDS[round]!

/** Everyone answers the same problems, so that right and wrong answers to one question can be told apart. */
const PROBLEMS = { seed: 92_000 + seed, samples: 4, heldout: false }
const WRITERS = [
  ...[450, 600, 750, 900, 1350, LAST_TEACHER].map((step) => ({ writer: teacher(step), count: 3000 })),
  ...judges.flatMap(fooledBy),
]
const answers: GradedAnswer[] = []
for (const { writer, count } of WRITERS) answers.push(...(await rollouts(writer, { ...PROBLEMS, count })))
/** By question, the right answers and the wrong ones, where there are both: knowing hard questions earns nothing. */
const contested = [...Map.groupBy(answers, (a) => a.question).values()]
  .map((all) => ({ right: all.filter((a) => a.correct), wrong: all.filter((a) => !a.correct) }))
  .filter(({ right, wrong }) => right.length && wrong.length)
console.log(JSON.stringify({ answers: answers.length, contested_questions: contested.length }))

/** Held-out problems, answered by the student, and by students that fooled a judge on their own (unseen) way. */
const test = (writer: Weights, testSeed: number) =>
  rollouts(writer, { seed: testSeed, count: 500, samples: 4, heldout: true })
const tests = { student: await test(teacher(600), 424_242) } as Record<string, GradedAnswer[]>
for (const judge of judges) tests[`fooled_${judge}`] = await test(fooled(judge, 13, 60), 424_244)
async function measure() {
  const entries: [string, unknown][] = []
  for (const [name, graded] of Object.entries(tests)) entries.push([name, await judgeQuality(weights, graded)])
  return Object.fromEntries(entries)
}

const weights = start()
await trainJudge(weights, {
  steps,
  seed,
  peak,
  draw(rng: SeededRng) {
    const kind = rng.uniform()
    if (kind < 0.7) {
      const { right, wrong } = pick(rng, contested)
      return pick(rng, chance(rng, 0.5) ? right : wrong)
    }
    return kind < 0.85 ? drawMutated(rng) : drawCareless(rng)
  },
  dense: true,
  async report(step, loss) {
    console.log(JSON.stringify({ step, loss, ...(await measure()) }))
    exportModel(join(folder, round), weights)
  },
})
writeFileSync(join(folder, `${round}-quality.json`), `${JSON.stringify(await measure(), null, 2)}\n`)
