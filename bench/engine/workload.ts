import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { shuffledIndices } from '../../src/core/rl/shuffled-indices.ts'
import type { Recompute } from '../../src/core/schemas/training.ts'

/** What is measured, told to both sides in the same words: the argument, as JSON, of `ours.ts` and of the peer. */
export interface Workload {
  /**
   * `train`: a full step. `generate`: prompts and completions. `decode`: the same without the time for the prompts.
   * `grpo`: sampling, rewards, gradient and update of one step of GRPO, `group` completions a prompt.
   */
  kind: 'train' | 'generate' | 'decode' | 'grpo'
  /** A Llama, as the fields of its `config.json`; weights are random. */
  config: Record<string, unknown>
  rows: number
  /** Tokens of a row: all of them trained, or those of a prompt. */
  tokens: number
  /** Tokens generated after each prompt. */
  newTokens: number
  /** Completions of each prompt; 1 but for `grpo`. */
  group: number
  /** Texts under way at once in `generate`: all, unless there are more rows than that. */
  slots: number
  /** Tokens generated after each prompt where they differ; `newTokens` is the most. */
  lengths?: number[]
  /** Full steps, or whole generations, of which the mean counts. */
  repeats: number
  /** Whether one more goes before, unmeasured: where a start would show beside the work. */
  warmUp: boolean
  threads: number
  /** Rank of adapters on every projection, where they alone are trained. */
  lora?: number
  /** Whether our side keeps matrices in Q8_0, as `gavel serve --weights q8_0` does. */
  quantised?: boolean
  /** What of each layer our side computes again in the backward pass. */
  recompute?: Recompute
}

/** What one process answers, as its last line of output. */
export interface Measurement {
  /** Of one full step or one generation. */
  seconds: number
  /** Peak resident memory of the process. */
  megabytes: number
}

const LLAMA = { model_type: 'llama', rms_norm_eps: 1e-5, tie_word_embeddings: true, max_position_embeddings: 512 }

/** Most tokens of one forward and backward pass of `train`, on both sides; a step adds up as many as it takes. */
export const MICRO_BATCH_TOKENS = 2048

/** SmolLM2-135M. */
export const MODEL_135M = {
  ...LLAMA,
  vocab_size: 49152,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  rope_theta: 100_000,
}

export const MODEL_SMALL = {
  ...LLAMA,
  vocab_size: 1000,
  hidden_size: 256,
  intermediate_size: 1024,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  rope_theta: 10_000,
}

const model135m = { config: MODEL_135M, group: 1, warmUp: true, threads: 2 }

const train = (config: Record<string, unknown>, rows: number, tokens: number, repeats: number): Workload => ({
  ...model135m,
  kind: 'train',
  config,
  rows,
  tokens,
  newTokens: 0,
  slots: rows,
  repeats,
})

const sample = (kind: 'generate' | 'decode', rows: number): Workload => ({
  ...model135m,
  kind,
  rows,
  tokens: 64,
  newTokens: 128,
  slots: rows,
  repeats: 1,
})

/** Lengths as answers have them: most short, some long (an exponential distribution cut at 8 and 320), in mixed order. */
function mixedLengths(count: number): number[] {
  const quantile = (i: number) => -96 * Math.log(1 - (i + 0.5) / count)
  const order = [...shuffledIndices(count, new SeededRng('lengths'))]
  return order.map((i) => Math.round(Math.min(320, Math.max(8, quantile(i)))))
}

const mixed = (rows: number, slots: number): Workload => {
  const lengths = mixedLengths(rows)
  return { ...sample('generate', rows), slots, lengths, newTokens: Math.max(...lengths), warmUp: false }
}

const grpoStep: Workload = { ...sample('generate', 4), kind: 'grpo', group: 8, slots: 32 }

export const WORKLOADS = {
  'train-small': train(MODEL_SMALL, 32, 64, 20),
  'generate-b8': sample('generate', 8),
  'generate-b32': sample('generate', 32),
  'generate-mixed': mixed(48, 16),
  'train-135m': train(MODEL_135M, 8, 256, 2),
  'lora-135m': { ...train(MODEL_135M, 8, 256, 2), lora: 16 },
  'memory-135m': { ...train(MODEL_135M, 8, 256, 1), recompute: 'all' },
  'linear-1k': train(MODEL_135M, 4, 256, 2),
  'linear-4k': train(MODEL_135M, 16, 256, 1),
  'linear-16k': train(MODEL_135M, 64, 256, 1),
  'grpo-step': grpoStep,
  'decode-b1': sample('decode', 1),
  'decode-b8': sample('decode', 8),
  'decode-b32': sample('decode', 32),
  'decode-q8-b1': { ...sample('decode', 1), quantised: true },
  'decode-q8-b8': { ...sample('decode', 8), quantised: true },
  'decode-q8-b32': { ...sample('decode', 32), quantised: true },
} satisfies Record<string, Workload>

export type WorkloadName = keyof typeof WORKLOADS
