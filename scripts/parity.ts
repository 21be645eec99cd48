/**
 * `npm run parity -- DIR…`: holds the engine against folders of expected numbers (config.json, weights,
 * expected.json, as test/fixtures/parity has them). Prints one line a quantity; exits 1 when any misses.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Recompute } from '../src/core/schemas/training.ts'
import { loadFolder, type LoadedModel } from '../src/gpu-worker/models/load-folder.ts'
import { textPart } from '../src/gpu-worker/models/text-part.ts'
import { type Weights } from '../src/gpu-worker/models/weights.ts'
import { Generator } from '../src/gpu-worker/rollout/generator.ts'
import { Session } from '../src/gpu-worker/runtime/session.ts'
import { float32, float32Scalar } from '../src/gpu-worker/runtime/tensors.ts'
import type { OptimizerSettings } from '../src/gpu-worker/training/adamw.ts'
import { makeBatch, type Row } from '../src/gpu-worker/training/batch.ts'
import { textInputs } from '../src/gpu-worker/training/prefix-groups.ts'
import { Trainer } from '../src/gpu-worker/training/trainer.ts'
import { logitsGraph, logprobGraph } from '../src/gpu-worker/training/training-graph.ts'
import { weightTensors } from '../src/gpu-worker/training/weight-tensors.ts'

export interface Check {
  quantity: string
  /** Largest deviation, in units of what is allowed: up to 1 is right. */
  deviation: number
  detail: string
}

interface Completion {
  prompt_ids: number[]
  completion_ids: number[]
  logprobs: number[]
  logprobs_temperature_0_7: number[]
}

/** What is left out is not checked. */
interface Expected {
  single: { input_ids: number[]; logits: number[][] }
  batch?: { sequences: number[][]; logits: number[][][] }
  greedy: { prompts: number[][]; banned_ids: number[]; new_tokens: number; continuations: number[][] }
  completions?: Completion[]
  sft: {
    input_ids: number[][]
    attention_mask: number[][]
    labels: number[][]
    loss: number
    total_grad_norm: number
    grads: Record<string, { l2: number; sum?: number; absmax?: number; first4?: number[] }>
  }
  adamw?: {
    lr: number
    betas: [number, number]
    eps: number
    weight_decay: number
    clip_grad_norm: number
    steps: number
    losses_before_each_step_and_after_last: number[]
    grad_norm_before_clip: number[]
    final_param_l2: Record<string, number>
  }
  ppo_clip?: {
    clip: number
    advantages: number[]
    old_logprobs: number[][]
    loss: number
    total_grad_norm: number
    grad_l2: Record<string, number>
  }
}

const LOGIT = { absolute: 1e-4, relative: 0 }
const LOSS = { absolute: 1e-5, relative: 0 }
const NORM = { absolute: 1e-6, relative: 1e-3 }

const NO_DUAL_CLIP = 1e30
const NO_UPDATE: OptimizerSettings = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, clipNorm: 1 }

export interface CheckOptions {
  /** What of each layer the backward pass computes again. */
  recompute?: Recompute
}

const isRight = ({ deviation }: Check): boolean => deviation <= 1

/** What deviates by more than is allowed, a line each. */
export const misses = (checks: readonly Check[]): string[] =>
  checks.filter((check) => !isRight(check)).map(({ quantity, detail }) => `${quantity}: ${detail}`)

/** Every quantity of a folder, for each config style and weights file in it. */
export async function checkFolder(folder: string, options: CheckOptions = {}): Promise<Check[]> {
  const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Expected
  const files = readdirSync(folder)
  const configs = files.filter((name) => /^config.*\.json$/.test(name)).sort()
  const weights = files.filter((name) => name.endsWith('.safetensors')).sort()
  const checks: Check[] = []
  for (const configFile of configs) {
    for (const weightsFile of weights) {
      const load = () => loadFolder(folder, { configFile, weightsFile })
      const { nameOf } = textPart(JSON.parse(readFileSync(join(folder, configFile), 'utf8')) as Record<string, unknown>)
      for (const check of await checkModel(load, renamed(expected, nameOf), options)) {
        checks.push({ ...check, quantity: `${basename(folder)} ${configFile} ${weightsFile} ${check.quantity}` })
      }
    }
  }
  return checks
}

/** The numbers with parameters called as the engine calls them: files of larger models have other names. */
function renamed(expected: Expected, nameOf: (name: string) => string | null): Expected {
  const rename = <T>(by: Record<string, T>) =>
    Object.fromEntries(Object.entries(by).map(([name, value]) => [nameOf(name) ?? name, value]))
  return {
    ...expected,
    sft: { ...expected.sft, grads: rename(expected.sft.grads) },
    ...(expected.adamw && { adamw: { ...expected.adamw, final_param_l2: rename(expected.adamw.final_param_l2) } }),
    ...(expected.ppo_clip && { ppo_clip: { ...expected.ppo_clip, grad_l2: rename(expected.ppo_clip.grad_l2) } }),
  }
}

async function checkModel(load: () => LoadedModel, expected: Expected, options: CheckOptions): Promise<Check[]> {
  const loaded = load()
  return [
    ...(await checkLogits(loaded, expected)),
    await checkGreedy(loaded, expected),
    ...(expected.completions ? await checkLogprobs(loaded, expected.completions) : []),
    ...(await checkSft(loaded, expected, options)),
    ...(expected.completions && expected.ppo_clip
      ? await checkPolicyClip(loaded, expected.completions, expected.ppo_clip, options)
      : []),
    ...(expected.adamw ? await checkAdamw(load(), expected.sft, expected.adamw, options) : []),
  ]
}

async function checkLogits({ model, weights }: LoadedModel, { single, batch }: Expected): Promise<Check[]> {
  const session = await Session.create(logitsGraph(model, { maxTokens: model.contextLength }))
  const compare = async (quantity: string, sequences: number[][], logits: number[][][]) => {
    const shape = [sequences.flat().length, model.vocabularySize]
    const out = float32(new Float32Array(shape[0]! * shape[1]!), shape)
    await session.run({ ...weightTensors(weights), ...textInputs(sequences) }, { logits: out })
    return close(quantity, [...(out.data as Float32Array)], logits.flat(2), LOGIT)
  }
  const checks = [
    await compare('logits', [single.input_ids], [single.logits]),
    ...(batch ? [await compare('logits of texts of unlike length', batch.sequences, batch.logits)] : []),
  ]
  await session.release()
  return checks
}

async function checkGreedy({ model, weights }: LoadedModel, { greedy }: Expected): Promise<Check> {
  const generator = await Generator.create(model, weights, {
    slots: greedy.prompts.length,
    capacity: model.contextLength,
  })
  const completions = await generator.generate(
    greedy.prompts.map((prompt) => ({ prompt, samples: 1 })),
    { temperature: 0, maxNewTokens: greedy.new_tokens, stopIds: [], bannedIds: greedy.banned_ids, seed: 0 },
  )
  await generator.release()
  const wrong = completions.flatMap(({ ids }, i) => ids.filter((id, t) => id !== greedy.continuations[i]![t]))
  return { quantity: 'greedy ids', deviation: wrong.length ? Infinity : 0, detail: `${wrong.length} differ` }
}

async function checkLogprobs({ model, weights }: LoadedModel, completions: readonly Completion[]): Promise<Check[]> {
  const session = await Session.create(logprobGraph(model, { maxTokens: model.contextLength }))
  const batch = makeBatch(completions.map(completionRow))
  const at = async (temperature: number) => {
    const out = new Float32Array(batch.tokens)
    const inputs = { ...weightTensors(weights), ...batch.inputs, inverse_temperature: float32Scalar(1 / temperature) }
    await session.run(inputs, { logprobs: float32(out, [batch.tokens]) })
    return [...out]
  }
  const checks = [
    close(
      'log-probs',
      await at(1),
      completions.flatMap((c) => c.logprobs),
      LOGIT,
    ),
    close(
      'log-probs at temperature 0.7',
      await at(0.7),
      completions.flatMap((c) => c.logprobs_temperature_0_7),
      LOGIT,
    ),
  ]
  await session.release()
  return checks
}

const completionRow = ({ prompt_ids, completion_ids }: Completion): Row => ({
  ids: [...prompt_ids, ...completion_ids],
  start: prompt_ids.length,
})

async function checkSft(
  { model, weights }: LoadedModel,
  { sft }: Expected,
  { recompute }: CheckOptions,
): Promise<Check[]> {
  const options = { loss: 'cross-entropy', optimizer: NO_UPDATE, maxTokens: model.contextLength, recompute } as const
  const trainer = await Trainer.create(model, weights, options)
  const batch = makeBatch(sftRows(sft))
  const { loss } = await trainer.accumulate(batch, { weights: new Float32Array(batch.tokens).fill(1 / batch.tokens) })
  const checks = [
    close('SFT loss', [loss], [sft.loss], LOSS),
    ...gradientChecks(
      'SFT',
      trainer.accumulated,
      sft.total_grad_norm,
      mapValues(sft.grads, (g) => g.l2),
    ),
    ...Object.entries(sft.grads).flatMap(([name, { l2, sum, absmax, first4 }]) => {
      if (sum === undefined || absmax === undefined || first4 === undefined) return []
      const { data } = trainer.accumulated.get(name)!
      const values = [
        data.reduce((a, b) => a + b, 0),
        data.reduce((a, b) => Math.max(a, Math.abs(b)), 0),
        ...data.subarray(0, first4.length),
      ]
      const allowed = { absolute: NORM.absolute + NORM.relative * l2, relative: 0 }
      return close(`SFT gradient sum, extreme and first entries of ${name}`, values, [sum, absmax, ...first4], allowed)
    }),
  ]
  await trainer.release()
  return checks
}

/** The rows of the padded SFT batch: what is masked out is padding, what is labelled is trained. */
function sftRows({ input_ids, attention_mask, labels }: Expected['sft']): Row[] {
  return input_ids.map((ids, b) => {
    const real = ids.filter((_, t) => attention_mask[b]![t] === 1)
    return { ids: real, start: labels[b]!.findIndex((label) => label !== -100) }
  })
}

async function checkPolicyClip(
  { model, weights }: LoadedModel,
  completions: readonly Completion[],
  ppo_clip: NonNullable<Expected['ppo_clip']>,
  { recompute }: CheckOptions,
): Promise<Check[]> {
  const options = { loss: 'policy-clip', optimizer: NO_UPDATE, maxTokens: model.contextLength, recompute } as const
  const trainer = await Trainer.create(model, weights, options)
  const batch = makeBatch(completions.map(completionRow))
  const { loss } = await trainer.accumulate(batch, {
    weights: new Float32Array(batch.tokens).fill(1 / batch.tokens),
    perToken: {
      old: Float32Array.from(ppo_clip.old_logprobs.flat()),
      advantage: Float32Array.from(completions.flatMap((c, i) => c.completion_ids.map(() => ppo_clip.advantages[i]!))),
      reference: new Float32Array(batch.tokens),
    },
    settings: {
      ratio_low: 1 - ppo_clip.clip,
      ratio_high: 1 + ppo_clip.clip,
      sequence_ratio: 0,
      dual_clip: NO_DUAL_CLIP,
      k2: 0,
      k3: 0,
    },
  })
  const checks = [
    close('clipped loss', [loss], [ppo_clip.loss], LOSS),
    ...gradientChecks('clipped loss', trainer.accumulated, ppo_clip.total_grad_norm, ppo_clip.grad_l2),
  ]
  await trainer.release()
  return checks
}

async function checkAdamw(
  { model, weights }: LoadedModel,
  sft: Expected['sft'],
  adamw: NonNullable<Expected['adamw']>,
  { recompute }: CheckOptions,
): Promise<Check[]> {
  const [beta1, beta2] = adamw.betas
  const optimizer = {
    beta1,
    beta2,
    epsilon: adamw.eps,
    weightDecay: adamw.weight_decay,
    clipNorm: adamw.clip_grad_norm,
  }
  const trainer = await Trainer.create(model, weights, {
    loss: 'cross-entropy',
    optimizer,
    maxTokens: model.contextLength,
    recompute,
  })
  const batch = makeBatch(sftRows(sft))
  const lossInputs = { weights: new Float32Array(batch.tokens).fill(1 / batch.tokens) }
  const losses: number[] = []
  const norms: number[] = []
  for (let step = 0; step < adamw.steps; step++) {
    losses.push((await trainer.accumulate(batch, lossInputs)).loss)
    norms.push((await trainer.step(adamw.lr)).gradientNorm)
  }
  losses.push((await trainer.accumulate(batch, lossInputs)).loss)
  await trainer.release()
  const final = Object.entries(adamw.final_param_l2)
  return [
    close('AdamW losses', losses, adamw.losses_before_each_step_and_after_last, LOSS),
    close('AdamW gradient norms', norms, adamw.grad_norm_before_clip, NORM),
    close(
      'AdamW final parameter norms',
      final.map(([name]) => norm(weights.get(name)!.data)),
      final.map(([, l2]) => l2),
      NORM,
    ),
  ]
}

function gradientChecks(what: string, gradients: Weights, total: number, expected: Record<string, number>): Check[] {
  const names = Object.keys(expected)
  const missing = [...gradients.keys()].filter((name) => !(name in expected))
  const norms = names.map((name) => norm(gradients.get(name)?.data ?? new Float32Array([NaN])))
  return [
    close(`${what} total gradient norm`, [Math.hypot(...norms)], [total], NORM),
    ...names.map((name, i) => close(`${what} gradient norm of ${name}`, [norms[i]!], [expected[name]!], NORM)),
    ...missing.map((name) => ({
      quantity: `${what} gradient of ${name}`,
      deviation: Infinity,
      detail: 'not expected',
    })),
  ]
}

const norm = (data: Float32Array): number => Math.sqrt(data.reduce((sum, x) => sum + x * x, 0))

function close(
  quantity: string,
  values: number[],
  expected: number[],
  allowed: { absolute: number; relative: number },
): Check {
  if (values.length !== expected.length) {
    return { quantity, deviation: Infinity, detail: `${values.length} values where ${expected.length} are expected` }
  }
  const gaps = values.map((value, i) => Math.abs(value - expected[i]!))
  const deviations = gaps.map((gap, i) => gap / (allowed.absolute + allowed.relative * Math.abs(expected[i]!)))
  // A NaN is a miss, and Math.max keeps it from hiding behind a number.
  const deviation = deviations.some(Number.isNaN) ? Infinity : deviations.reduce((a, b) => Math.max(a, b), 0)
  const largest = gaps.reduce((a, b) => Math.max(a, b), 0)
  return { quantity, deviation, detail: `largest difference ${largest.toExponential(2)}` }
}

function mapValues<T, U>(record: Record<string, T>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))
}

if (import.meta.main) {
  const folders = process.argv.slice(2)
  if (!folders.length) {
    console.error('usage: npm run parity -- DIR…   (each with config.json, model.safetensors and expected.json)')
    process.exit(1)
  }
  let missed = 0
  for (const folder of folders) {
    if (!existsSync(join(folder, 'expected.json'))) {
      console.log(`MISS  ${folder}: no expected.json there`)
      missed++
      continue
    }
    try {
      for (const check of await checkFolder(folder)) {
        const { quantity, deviation, detail } = check
        const right = isRight(check)
        if (!right) missed++
        console.log(
          `${right ? 'ok  ' : 'MISS'}  ${quantity}: ${detail} (${(100 * deviation).toPrecision(2)} % of what is allowed)`,
        )
      }
    } catch (error) {
      missed++
      console.log(`MISS  ${folder}: ${(error as Error).message}`)
    }
  }
  console.log(missed ? `${missed} missed` : 'all within tolerance')
  process.exitCode = missed ? 1 : 0
}
