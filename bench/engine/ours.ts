/** Our side of one measurement, in a process of its own: `node ours.ts WORKLOAD` prints a Measurement. */
import { readFileSync } from 'node:fs'
import { mean } from '../../src/core/moments.ts'
import { ADVANTAGES } from '../../src/core/rl/advantages.ts'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { modelFromConfig } from '../../src/gpu-worker/models/index.ts'
import { Generator } from '../../src/gpu-worker/rollout/generator.ts'
import { quantiseWeights, type FrozenWeights } from '../../src/gpu-worker/rollout/quantise-weights.ts'
import { accumulateGradients } from '../../src/gpu-worker/training/accumulate-gradients.ts'
import { withLora } from '../../src/gpu-worker/training/lora.ts'
import { Trainer } from '../../src/gpu-worker/training/trainer.ts'
import { randomWeights } from './random-weights.ts'
import { MICRO_BATCH_TOKENS, type Measurement, type Workload } from './workload.ts'

/** Does the work once; answers the milliseconds of it that do not count. */
type Run = () => Promise<number | void>

const OPTIMIZER = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 }
const CLIP = { ratio_low: 0.8, ratio_high: 1.2, dual_clip: 1e6, sequence_ratio: 0, k2: 0, k3: 0 }
const SAMPLING = { temperature: 1, stopIds: [], seed: 1 }

const workload = JSON.parse(process.argv[2]!) as Workload
const base = modelFromConfig(workload.config)
const model = workload.lora ? withLora(base, { rank: workload.lora, alpha: 2 * workload.lora }) : base
const { weights, matrices } = makeWeights()
const rng = new SeededRng('tokens')
const texts = Array.from({ length: workload.rows }, () =>
  Array.from({ length: workload.tokens }, () => rng.uint32() % model.vocabularySize),
)

const run = await { train, generate, decode, grpo }[workload.kind]()
if (workload.warmUp) await run()
const timings: number[] = []
for (let i = 0; i < workload.repeats; i++) {
  const start = performance.now()
  const uncounted = (await run()) ?? 0
  timings.push((performance.now() - start - uncounted) / 1000)
}
const seconds = mean(timings)!
const megabytes = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1000
console.log(JSON.stringify({ seconds, megabytes } satisfies Measurement))

/** A full step: gradient of the mean cross-entropy, clipping, AdamW. */
async function train(): Promise<Run> {
  const { threads, tokens, recompute } = workload
  const options = { loss: 'cross-entropy', optimizer: OPTIMIZER, maxTokens: tokens, threads, recompute } as const
  const trainer = await Trainer.create(model, weights, options)
  const weight = 1 / (texts.length * (tokens - 1))
  const rows = texts.map((ids) => ({ ids, start: 1, weight }))
  return async () => {
    await accumulateGradients(trainer, rows, { microBatchTokens: MICRO_BATCH_TOKENS })
    await trainer.step(1e-3)
  }
}

async function generate(): Promise<Run> {
  const { newTokens, lengths } = workload
  const generator = await makeGenerator(newTokens)
  const requests = texts.map((prompt, i) => ({ prompt, samples: 1, maxNewTokens: lengths?.[i] ?? newTokens }))
  return async () => {
    await generator.generate(requests, { ...SAMPLING, maxNewTokens: newTokens })
  }
}

/** One token a text comes with its prompt; the time for those is taken off. */
async function decode(): Promise<Run> {
  const generator = await makeGenerator(workload.newTokens + 1)
  const requests = texts.map((prompt) => ({ prompt, samples: 1 }))
  const timed = async (maxNewTokens: number) => {
    const start = performance.now()
    await generator.generate(requests, { ...SAMPLING, maxNewTokens })
    return performance.now() - start
  }
  return async () => {
    await timed(workload.newTokens + 1)
    return 2 * (await timed(1))
  }
}

/** Sampling, rewards, the clipped objective's gradient in micro-batches, AdamW: what the job `grpo` does in a step. */
async function grpo(): Promise<Run> {
  const { tokens, newTokens, group, threads } = workload
  const maxTokens = tokens + newTokens
  const generator = await makeGenerator(newTokens)
  const trainer = await Trainer.create(model, weights, {
    loss: 'policy-clip',
    optimizer: OPTIMIZER,
    maxTokens,
    threads,
  })
  const requests = texts.map((prompt) => ({ prompt, samples: group }))
  return async () => {
    const completions = await generator.generate(requests, { ...SAMPLING, maxNewTokens: newTokens })
    const rewards = completions.map(({ ids }) => ids.filter((id) => id % 2 === 0).length / ids.length)
    const advantages = ADVANTAGES.group(
      rewards.map((reward) => ({ reward, tokenRewards: [] })),
      { groupSize: group, epsilon: 1e-4 },
    )
    const rows = completions.map(({ ids, logprobs }, i) => ({
      ids: [...texts[Math.floor(i / group)]!, ...ids],
      start: tokens,
      weight: 1 / (completions.length * newTokens),
      perToken: { old: logprobs, advantage: advantages[i]!, reference: logprobs },
    }))
    await accumulateGradients(trainer, rows, { microBatchTokens: 8 * maxTokens, settings: CLIP })
    await trainer.step(1e-6)
  }
}

function makeGenerator(newTokens: number): Promise<Generator> {
  const { slots, tokens, threads } = workload
  return Generator.create(model, weights, { slots, capacity: tokens + newTokens, threads, matrices })
}

function makeWeights(): FrozenWeights {
  const plain = randomWeights(model)
  return workload.quantised ? quantiseWeights(model, plain) : { weights: plain, matrices: new Map() }
}
