/** What is measured, told to both sides in the same words: the argument, as JSON, of `ours.ts` and `peer.py`. */
export interface Workload {
  kind: 'train' | 'generate'
  /** A Llama, as the fields of its `config.json`; weights are random. */
  config: Record<string, unknown>
  rows: number
  /** Tokens of a row: all of them trained, or those of a prompt. */
  tokens: number
  /** Tokens generated after each prompt. */
  newTokens: number
  /** Full steps, or whole generations, of which the mean counts; one more goes before, unmeasured. */
  repeats: number
  threads: number
}

/** What one process answers, as its last line of output. */
export interface Measurement {
  /** Of one full step or one generation. */
  seconds: number
  /** Peak resident memory of the process. */
  megabytes: number
}

const LLAMA = { model_type: 'llama', rms_norm_eps: 1e-5, tie_word_embeddings: true, max_position_embeddings: 512 }

/** SmolLM2-135M. */
const MODEL_135M = {
  ...LLAMA,
  vocab_size: 49152,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  rope_theta: 100_000,
}

const MODEL_SMALL = {
  ...LLAMA,
  vocab_size: 1000,
  hidden_size: 256,
  intermediate_size: 1024,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  rope_theta: 10_000,
}

const train = (config: Record<string, unknown>, rows: number, tokens: number, repeats: number): Workload => ({
  kind: 'train',
  config,
  rows,
  tokens,
  newTokens: 0,
  repeats,
  threads: 2,
})

const generate = (rows: number): Workload => ({
  kind: 'generate',
  config: MODEL_135M,
  rows,
  tokens: 64,
  newTokens: 128,
  repeats: 1,
  threads: 2,
})

export const WORKLOADS = {
  'train-small': train(MODEL_SMALL, 32, 64, 20),
  'generate-b8': generate(8),
  'generate-b32': generate(32),
  'train-135m': train(MODEL_135M, 8, 256, 2),
} satisfies Record<string, Workload>

export type WorkloadName = keyof typeof WORKLOADS
