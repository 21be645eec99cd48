/** What every kind of training takes. Spread into a job's `config`. */
import * as v from 'valibot'
import { boolean, fields, integer, number, record, shortText } from './fields.ts'

/** Low-rank adaptation. */
const loraSettings = fields({
  rank: v.optional(integer(1, 1024, 'Rank of the adapters. Default 16.'), 16),
  alpha: v.optional(number(0.001, 10_000, 'Their product is scaled by alpha/rank. Default 32.'), 32),
  targets: v.optional(
    v.pipe(
      v.array(shortText('A projection.', 128)),
      v.minLength(1),
      v.maxLength(64),
      v.description(
        'Last parts of the names of the projections that get one, such as `q_proj`. All projections when left out.',
      ),
    ),
  ),
  merge: v.optional(
    v.pipe(
      v.picklist(['last', 'every']),
      v.description(
        'Which checkpoints hold the merged model as well, and can thus be used as a model. Default last; the others hold the adapter alone.',
      ),
    ),
    'last',
  ),
})

const checkpointKeep = fields({
  last: v.optional(integer(1, 1_000_000, 'How many of the newest are kept, ≥ 1. Default 5.'), 5),
  best: v.optional(
    boolean(
      'Whether the one with the largest share of right answers on the canary, or without one with the smallest `validation_loss`, is kept as well, the earliest of those alike. Default true.',
    ),
    true,
  ),
})
export type CheckpointKeep = v.InferOutput<typeof checkpointKeep>

export const RECOMPUTE = ['nothing', 'cheap', 'all'] as const
export type Recompute = (typeof RECOMPUTE)[number]

export const trainingEntries = {
  seed: v.optional(integer(0, 2 ** 32 - 1, 'Seed of every random choice of the job. Default 0.'), 0),
  warmup_steps: v.optional(integer(0, 1_000_000, 'Steps over which the learning rate rises from 0. Default 0.'), 0),
  schedule: v.optional(
    v.pipe(
      v.picklist(['constant', 'linear', 'cosine']),
      v.description(
        'How the learning rate goes from its peak, towards 0 at the last step unless constant. Default constant.',
      ),
    ),
    'constant',
  ),
  weight_decay: v.optional(number(0, 10, "AdamW's decoupled weight decay, ≥ 0. Default 0."), 0),
  beta1: v.optional(number(0, 0.999999, "AdamW's decay of the first moment, in [0, 1). Default 0.9."), 0.9),
  beta2: v.optional(number(0, 0.999999, "AdamW's decay of the second moment, in [0, 1). Default 0.999."), 0.999),
  adam_epsilon: v.optional(number(1e-16, 1, "AdamW's epsilon, > 0. Default 1e-8."), 1e-8),
  clip_norm: v.optional(number(0, 1e9, 'Largest global norm of a gradient; 0 turns clipping off. Default 1.'), 1),
  checkpoint_every: v.optional(
    integer(0, 1_000_000, 'Steps between checkpoints; 0 commits one at the end only. Default 0.'),
    0,
  ),
  keep: v.optional(
    v.pipe(
      checkpointKeep,
      v.description(
        'Which checkpoints are kept when another is committed: the `last` ones, and the `best` by the canary or by `validation_loss`. One that a model or another job names is never dropped.',
      ),
    ),
    {},
  ),
  memory_budget_mb: v.optional(
    integer(
      1,
      100_000_000,
      "Memory that the job's process may take, in MB (10⁶ bytes). `recompute` and `micro_batch_tokens` are chosen to fit where they are left out; a job that cannot fit is refused before its first step. Default: what the worker was started with, or no bound.",
    ),
  ),
  micro_batch_tokens: v.optional(
    integer(
      16,
      10_000_000,
      'Most tokens (padding included) of one forward and backward pass. Default 4096, or what fits memory_budget_mb.',
    ),
  ),
  recompute: v.optional(
    v.pipe(
      v.picklist(RECOMPUTE),
      v.description(
        'What of each layer the backward pass computes again instead of keeping it: `nothing`, what is `cheap` (all but products: a third less memory, a twentieth more time), or `all` (half the memory, a fifth more time). Default nothing, or what fits memory_budget_mb.',
      ),
    ),
  ),
  lora: v.optional(
    v.pipe(
      loraSettings,
      v.description(
        'Train low-rank adapters (LoRA) instead of the whole model: `{}` for the defaults. Learning rates that suit it are about ten times higher.',
      ),
    ),
  ),
}

/** The peak learning rate, with what suits the kind of training as its default. */
export const learningRate = (byDefault: number) =>
  v.optional(number(0, 10, `Peak learning rate of AdamW, ≥ 0. Default ${byDefault}.`), byDefault)

/** Most optimizer steps of a job. */
export const MAX_STEPS = 1_000_000
export const steps = integer(1, MAX_STEPS, 'Optimizer steps, ≥ 1.')

/** Said where a job has no `config`. */
export const NO_CONFIG = { config: 'is missing; give it, with the number of `steps` at least' }

export const ON_LONG_ROWS = ['error', 'truncate', 'skip'] as const
export type OnLongRows = (typeof ON_LONG_ROWS)[number]

/** @param truncated what is left of a row that is cut off */
export const onLongRows = (truncated: string) =>
  v.optional(
    v.pipe(
      v.picklist(ON_LONG_ROWS),
      v.description(
        `What to do about rows that have more tokens than allowed: the job fails before its first step and names them (error), they are cut off (truncate: ${truncated}), or left out (skip). An event and the result count them. Default error.`,
      ),
    ),
    'error',
  )

export const PROMPT_FORMATS = ['chat', 'raw'] as const
export type PromptFormat = (typeof PROMPT_FORMATS)[number]

/** What a chat template is given by whoever renders it. */
const GIVEN = new Set(['messages', 'tools', 'documents', 'add_generation_prompt'])

/** How rows become text. Spread into a job. */
export const textEntries = {
  prompt_template: v.optional(
    v.pipe(
      v.string(),
      v.maxLength(100_000),
      v.includes('{prompt}', 'must contain `{prompt}`, where the text of the row goes'),
      v.description(
        "Text around one turn of a user, with `{prompt}` in it, instead of the model's chat template. Checkpoints carry it as their chat template, so it is said once. Default: the model's chat template; without one, the prompt alone.",
      ),
    ),
  ),
  prompt_format: v.optional(
    v.pipe(
      v.picklist(PROMPT_FORMATS),
      v.description(
        'What a row with `prompt` is: one turn of a user (chat), or a text that the model goes on from as it stands (raw). Default chat where there is a chat template, else raw.',
      ),
    ),
  ),
  chat_template_kwargs: v.optional(
    v.pipe(
      record(
        v.union([
          v.pipe(v.string(), v.maxLength(10_000)),
          v.pipe(v.number(), v.minValue(-1e15), v.maxValue(1e15)),
          v.boolean(),
          v.null(),
        ]),
      ),
      v.check((args) => Object.keys(args).length <= 64, 'holds more than 64 names'),
      v.check(
        (args) => Object.keys(args).every((name) => /^[A-Za-z_]\w{0,63}$/.test(name) && !GIVEN.has(name)),
        `must hold names of letters, digits and _ that are not ${[...GIVEN].join(', ')}`,
      ),
      v.description(
        'What the chat template is told beside the messages, such as {"enable_thinking": false}. Checkpoints carry it in their template.',
      ),
    ),
  ),
}
