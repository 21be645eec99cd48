/**
 * Makes the weak judge: taught on the answers of honest students only, by a teacher that is not finished. Its
 * AUC looks fine; a student that trains against it finds what it cannot see. About 4 minutes.
 *
 * usage: node demo/build/weak-judge.ts FOLDER [--steps N] [--seed N] [--name NAME]   (FOLDER: where teacher.ts has written)
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { chance, pick } from '../draw.ts'
import { cutShort, drawCareless, rollouts } from './graded-answers.ts'
import { judgeQuality, trainJudge } from './judge.ts'
import { exportModel, readWeights } from './weights-file.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: 'string', default: '700' },
    teacher: { type: 'string', default: '1800' },
    seed: { type: 'string', default: '2' },
    name: { type: 'string', default: 'judge-weak' },
  },
})
const folder = positionals[0] ?? 'demo/build/out'
const teacher = (step: number | string) => join(folder, `teacher-${step}.safetensors`)

const students = [450, 600, 900]
const taught = (
  await Promise.all(
    students.map((step, i) =>
      rollouts(readWeights(teacher(step)), { seed: 91_000 + i, count: 1500, samples: 4, heldout: false }),
    ),
  )
).flat()
const test = await rollouts(readWeights(teacher(600)), { seed: 424_242, count: 500, samples: 4, heldout: true })

const weights = readWeights(teacher(values.teacher))
await trainJudge(weights, {
  steps: Number(values.steps),
  seed: Number(values.seed),
  draw(rng: SeededRng) {
    const answer = chance(rng, 0.6) ? pick(rng, taught) : drawCareless(rng)
    // Stumps are asked about as if they were whole: one of the things a student will find out.
    return chance(rng, 0.35) ? cutShort(answer, rng) : answer
  },
  report: async (step, loss) => console.log(JSON.stringify({ step, loss, ...(await judgeQuality(weights, test)) })),
})
exportModel(join(folder, values.name), weights)
