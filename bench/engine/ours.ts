/** Our side of one measurement, in a process of its own: `node ours.ts WORKLOAD` prints a Measurement. */
import { readFileSync } from 'node:fs'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { makeBatch } from '../../src/gpu-worker/engines/batch.ts'
import { Trainer } from '../../src/gpu-worker/engines/trainer.ts'
import type { Weights } from '../../src/gpu-worker/engines/weights.ts'
import { elementCount } from '../../src/gpu-worker/graph/tensor.ts'
import { modelFromConfig } from '../../src/gpu-worker/models/index.ts'
import type { Model } from '../../src/gpu-worker/models/model.ts'
import { Generator } from '../../src/gpu-worker/rollout/generator.ts'
import type { Measurement, Workload } from './workload.ts'

const workload = JSON.parse(process.argv[2]!) as Workload
const model = modelFromConfig(workload.config)
const weights = randomWeights(model)
const rng = new SeededRng('tokens')
const texts = Array.from({ length: workload.rows }, () =>
  Array.from({ length: workload.tokens }, () => rng.uint32() % model.vocabularySize),
)

const run = await { train, generate }[workload.kind]()
await run()
const start = performance.now()
for (let i = 0; i < workload.repeats; i++) await run()
const seconds = (performance.now() - start) / 1000 / workload.repeats
const megabytes = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1000
console.log(JSON.stringify({ seconds, megabytes } satisfies Measurement))

/** A full step: gradient of the mean cross-entropy, clipping, AdamW. */
async function train(): Promise<() => Promise<void>> {
  const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 }
  const { threads, tokens } = workload
  const trainer = await Trainer.create(model, weights, { loss: 'cross-entropy', optimizer, maxTokens: tokens, threads })
  const batch = makeBatch(texts.map((ids) => ({ ids, start: 1 })))
  return async () => {
    await trainer.accumulate(batch, { weights: new Float32Array(batch.tokens).fill(1 / batch.tokens) })
    await trainer.step(1e-3)
  }
}

async function generate(): Promise<() => Promise<void>> {
  const { rows, tokens, newTokens, threads } = workload
  const generator = await Generator.create(model, weights, { slots: rows, capacity: tokens + newTokens, threads })
  const requests = texts.map((prompt) => ({ prompt, samples: 1 }))
  return async () => {
    await generator.generate(requests, { temperature: 1, maxNewTokens: newTokens, stopIds: [], seed: 1 })
  }
}

/** Norms at 1, the rest spread evenly with a deviation of 0.02. */
function randomWeights({ parameters }: Model): Weights {
  const rng = new SeededRng('weights')
  const entry = () => (rng.uint32() / 2 ** 32 - 0.5) * 0.02 * Math.sqrt(12)
  return new Map(
    [...parameters].map(([name, shape]) => [
      name,
      { shape, data: new Float32Array(elementCount(shape)).fill(1).map(shape.length > 1 ? entry : () => 1) },
    ]),
  )
}
