/**
 * Trains the teacher on clean solutions and bare arithmetic, from nothing, and keeps a checkpoint every 150 steps:
 * the student is one of the earlier ones. About 20 minutes on 2 cores.
 *
 * usage: node demo/build/teacher.ts FOLDER [--steps N] [--seed N]
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { learningRateAt } from '../../src/core/rl/schedules.ts'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { Generator } from '../../src/gpu-worker/rollout/generator.ts'
import { accumulateGradients, type TrainingRow } from '../../src/gpu-worker/training/accumulate-gradients.ts'
import { trainedTokens } from '../../src/gpu-worker/training/batch.ts'
import { Trainer } from '../../src/gpu-worker/training/trainer.ts'
import { writeSafetensors } from '../../src/gpu-worker/weights/safetensors.ts'
import { codec, initialWeights, MAX_TOKENS, tinyModel } from '../../testing/tiny-model.ts'
import { drawProblem, problems } from '../problems.ts'
import { drill, goldText } from '../solutions.ts'
import { attempt, MAX_NEW_TOKENS, promptOf, share } from './solve.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { steps: { type: 'string', default: '4800' }, seed: { type: 'string', default: '1' } },
})
const folder = positionals[0] ?? 'demo/build/out'
const steps = Number(values.steps)
const seed = Number(values.seed)
const BATCH = 96
/** The learning rate is planned for so many steps; the teacher is good enough before it has run out. */
const SCHEDULED_STEPS = 5400
/** Steps between two checkpoints. */
const EVERY = 150
const PEAK = 2e-3
/** Share of drills at the start; it fades to a sixth of that. */
const DRILLS = 0.33

mkdirSync(folder, { recursive: true })
const rng = new SeededRng(seed, 'teacher')
const weights = initialWeights(seed)
const trainer = await Trainer.create(tinyModel, weights, {
  loss: 'cross-entropy',
  optimizer: { beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0.05, clipNorm: 1 },
  maxTokens: MAX_TOKENS,
})
const generator = await Generator.create(tinyModel, weights, { slots: 100, capacity: 96 + MAX_NEW_TOKENS })
const development = problems({ seed: 777, count: 300, heldout: true })

const started = performance.now()
let running = NaN
for (let step = 0; step < steps; step++) {
  const rows = Array.from({ length: BATCH }, () => row(step / SCHEDULED_STEPS))
  const total = rows.reduce((sum, r) => sum + trainedTokens(r), 0)
  const { loss } = await accumulateGradients(
    trainer,
    rows.map((r) => ({ ...r, weight: 1 / total })),
    { microBatchTokens: 2560 },
  )
  const rate = learningRateAt(step, { schedule: 'cosine', peak: PEAK, warmupSteps: 100, totalSteps: SCHEDULED_STEPS })
  await trainer.step(Math.max(rate, 0.05 * Math.min(1, (step + 1) / 100) * PEAK))
  running = Number.isNaN(running) ? loss : 0.95 * running + 0.05 * loss

  if ((step + 1) % EVERY === 0) {
    const right = share(await attempt(generator, development, { samples: 1, temperature: 0, seed: 0 }))
    writeSafetensors(join(folder, `teacher-${step + 1}.safetensors`), weights, 'F16')
    const seconds = Math.round((performance.now() - started) / 1000)
    console.log(JSON.stringify({ step: step + 1, loss: Number(running.toFixed(4)), heldout: right, seconds }))
  }
}

/** A problem with its solution, or an arithmetic drill; only what the model writes is trained. */
function row(progress: number): Omit<TrainingRow, 'weight'> {
  if (rng.uniform() < DRILLS * Math.max(0.15, 1 - progress)) {
    return { ids: [...codec.encode(drill(rng)), codec.endId], start: 1 }
  }
  const problem = drawProblem(rng, false)
  const prompt = codec.encode(promptOf(problem.question))
  return { ids: [...prompt, ...codec.encode(goldText(problem)), codec.endId], start: prompt.length }
}
