/**
 * Makes the judge that ships: the finished teacher, taught to say Yes or No to the answers of honest students,
 * of students that had learned to fool the weak judge, and to gold solutions with one thing spoiled. About
 * 8 minutes.
 *
 * usage: node demo/build/strong-judge.ts FOLDER [--steps N]     (FOLDER: where the other scripts have written)
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { chance, pick } from '../draw.ts'
import { drawCareless, drawMutated, rollouts, type GradedAnswer } from './graded-answers.ts'
import { judgeQuality, trainJudge } from './judge.ts'
import { exportModel, readWeights } from './weights-file.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { steps: { type: 'string', default: '1700' }, teacher: { type: 'string', default: '4200' } },
})
const folder = positionals[0] ?? 'demo/build/out'
const teacher = (step: number | string) => join(folder, `teacher-${step}.safetensors`)
const fooled = (seed: number, step: number) => join(folder, `fooled-${seed}`, `model-${step}.safetensors`)

/** Everyone answers the same problems, so that right and wrong answers to one question can be told apart. */
const PROBLEMS = { seed: 92_000, samples: 4, heldout: false }
/** Honest students at several stages, the teacher's own late self, and students on their way to fooling the weak judge. */
const WRITERS = [
  ...[450, 600, 750, 900, 1350, values.teacher].map((step) => ({ path: teacher(step), count: 1500 })),
  ...[11, 12].flatMap((seed) => [15, 30, 45, 60].map((step) => ({ path: fooled(seed, step), count: 300 }))),
]
const answers: GradedAnswer[] = []
for (const { path, count } of WRITERS) answers.push(...(await rollouts(readWeights(path), { ...PROBLEMS, count })))
/** By question, the right answers and the wrong ones, where there are both: knowing hard questions earns nothing. */
const contested = [...Map.groupBy(answers, (a) => a.question).values()]
  .map((all) => ({ right: all.filter((a) => a.correct), wrong: all.filter((a) => !a.correct) }))
  .filter(({ right, wrong }) => right.length && wrong.length)
console.log(JSON.stringify({ answers: answers.length, contested_questions: contested.length }))

/** Held-out problems, answered by the student, and by a student that fooled the weak judge on its own (unseen) way. */
const tests = {
  student: await rollouts(readWeights(teacher(600)), { seed: 424_242, count: 500, samples: 4, heldout: true }),
  fooled: await rollouts(readWeights(fooled(13, 60)), { seed: 424_244, count: 500, samples: 4, heldout: true }),
}
const measure = async () => ({
  student: await judgeQuality(weights, tests.student),
  fooled: await judgeQuality(weights, tests.fooled),
})

const weights = readWeights(teacher(values.teacher))
await trainJudge(weights, {
  steps: Number(values.steps),
  seed: 3,
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
    exportModel(join(folder, 'judge'), weights)
  },
})
exportModel(join(folder, 'judge'), weights)
writeFileSync(join(folder, 'judge-quality.json'), `${JSON.stringify(await measure(), null, 2)}\n`)
