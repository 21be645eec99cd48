/**
 * `node bench/engine/memory.ts [NAME…]`: what a training step is estimated to take beside what its process took at its
 * peak. Each shape is measured in a fresh process, which calls this file with the shape as JSON.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Recompute } from '../../src/core/schemas/training.ts'
import { memoryEstimate } from '../../src/gpu-worker/algorithms/memory-plan.ts'
import { modelFromConfig } from '../../src/gpu-worker/models/index.ts'
import { accumulateGradients } from '../../src/gpu-worker/training/accumulate-gradients.ts'
import { mergedWeights, withLora } from '../../src/gpu-worker/training/lora.ts'
import { Trainer } from '../../src/gpu-worker/training/trainer.ts'
import { randomWeights } from './random-weights.ts'
import { MODEL_135M, MODEL_SMALL } from './workload.ts'

interface Shape {
  config: Record<string, unknown>
  rows: number
  tokens: number
  recompute: Recompute
  lora?: boolean
}

const MIDDLE = { ...MODEL_SMALL, vocab_size: 8192, num_hidden_layers: 8, max_position_embeddings: 2048 }
const shape = (config: Shape['config'], rows: number, tokens: number, recompute: Recompute = 'nothing'): Shape => ({
  config,
  rows,
  tokens,
  recompute,
})
const SHAPES: Record<string, Shape> = {
  'middle-8x256': shape(MIDDLE, 8, 256),
  'middle-8x256-cheap': shape(MIDDLE, 8, 256, 'cheap'),
  'middle-8x256-all': shape(MIDDLE, 8, 256, 'all'),
  'middle-8x256-lora': { ...shape(MIDDLE, 8, 256), lora: true },
  'middle-2x1024': shape(MIDDLE, 2, 1024),
  'middle-2x1024-all': shape(MIDDLE, 2, 1024, 'all'),
  'middle-32x64': shape(MIDDLE, 32, 64),
  'words-8x256-all': shape({ ...MIDDLE, vocab_size: 32_768 }, 8, 256, 'all'),
  '135m-8x256': shape(MODEL_135M, 8, 256),
  '135m-8x256-cheap': shape(MODEL_135M, 8, 256, 'cheap'),
  '135m-8x256-all': shape(MODEL_135M, 8, 256, 'all'),
  '135m-8x256-lora': { ...shape(MODEL_135M, 8, 256), lora: true },
}

const [first, ...more] = process.argv.slice(2)
if (first?.startsWith('{')) console.log(await measure(JSON.parse(first) as Shape))
else {
  for (const name of first ? [first, ...more] : Object.keys(SHAPES)) {
    const self = fileURLToPath(import.meta.url)
    const [estimated, measured] = JSON.parse(
      execFileSync(process.execPath, [self, JSON.stringify(SHAPES[name])], { encoding: 'utf8' }),
    ) as [number, number]
    const off = (100 * (estimated / measured - 1)).toFixed(1)
    console.log(`${name.padEnd(20)} estimated ${estimated} MB, measured ${measured} MB: ${off} %`)
  }
}

/** Estimate and peak resident memory, MB (10⁶ bytes), of two steps and, with adapters, merging them. */
async function measure({ config, rows, tokens, recompute, lora }: Shape): Promise<string> {
  const base = modelFromConfig(config)
  const model = lora ? withLora(base, { rank: 16, alpha: 32 }) : base
  const weights = randomWeights(model)
  const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 }
  const options = { loss: 'cross-entropy', optimizer, maxTokens: tokens, recompute } as const
  const trainer = await Trainer.create(model, weights, options)
  const batch = Array.from({ length: rows }, (_, r) => ({
    ids: Array.from({ length: tokens }, (_, t) => (31 * r + 7 * t) % model.vocabularySize),
    start: 1,
    weight: 1 / (rows * tokens),
  }))
  for (let step = 0; step < 2; step++) {
    await accumulateGradients(trainer, batch, { microBatchTokens: rows * tokens })
    await trainer.step(1e-4)
  }
  if (lora) await mergedWeights(model, weights)
  const needs = { model, loss: 'cross-entropy', maxTokens: tokens } as const
  const parts = memoryEstimate(needs)({ recompute, microBatchTokens: rows * tokens, slots: 0 })
  const estimated = Object.values(parts).reduce((a, b) => a + b) / 1e6
  const measured = (Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024) / 1e6
  return JSON.stringify([estimated, measured].map(Math.round))
}
