/** What every kind of reinforcement takes: where prompts and rewards come from, how answers are drawn, how updates are held. */
import * as v from 'valibot'
import { boolean, fields, integer, name, number, reference } from './fields.ts'
import { modelReference } from './model.ts'
import { allowFailedAudit, rewardRecipe } from './reward.ts'
import { onLongRows, textEntries, trainingEntries } from './training.ts'

export const reinforcementData = v.pipe(
  fields({
    labelled: v.optional(reference('Dataset whose rows have an answer, by id or name.')),
    unlabelled: v.optional(reference('Dataset of prompts, by id or name; answers in it are not looked at.')),
    canary: v.optional(reference('Labelled dataset that is never trained on, watched for reward hacking.')),
  }),
  v.check(
    (data) => data.labelled !== undefined || data.unlabelled !== undefined,
    'must name a `labelled` or an `unlabelled` dataset, or both',
  ),
)

export const reinforcementReward = v.union([
  reference('A recipe, by id or name; or a judge, for its judgment alone.'),
  rewardRecipe,
])

/** Of a job whose `on_hacking` is `rollback`. */
export const fallbackReward = v.optional(
  v.pipe(
    reinforcementReward,
    v.description(
      'By which the run goes on once it has rolled back: another judge, more weight for the verifier (lambda). Without one ' +
        'the run ends there.',
    ),
  ),
)

/** What a job has beside its `config`. */
export const reinforcementJob = {
  name: v.optional(name),
  model: modelReference,
  data: reinforcementData,
  ...textEntries,
  reward: reinforcementReward,
  fallback_reward: fallbackReward,
  allow_failed_audit: allowFailedAudit,
}

/** The part of `config` that is the same for all. */
export const reinforcementEntries = {
  ...trainingEntries,
  labelled_share: v.optional(
    number(
      0,
      1,
      "Share of a step's prompts that are labelled, a fraction. Default 0.5; all or none where only one dataset is given.",
    ),
    0.5,
  ),
  max_prompt_tokens: v.optional(
    integer(
      1,
      1_000_000,
      "Longest prompt in tokens. Default 512, or what the model's context has room for beside max_new_tokens.",
    ),
  ),
  max_new_tokens: v.optional(
    integer(
      1,
      1_000_000,
      "Longest completion in tokens. Default 256, or what the model's context has room for: half of it at most unless max_prompt_tokens is given.",
    ),
  ),
  on_long_rows: onLongRows('the last tokens of the prompt are kept'),
  temperature: v.optional(number(0.01, 10, 'Sampling temperature, > 0. Default 1.'), 1),
  dual_clip: v.optional(
    v.union([
      v.pipe(v.literal(0), v.description('No floor.')),
      number(1, 1e6, 'The floor, as a multiple of the advantage.'),
    ]),
    0,
  ),
  kl_target: v.optional(
    number(
      0,
      1e6,
      'Divergence a token, in nats, that the weight of the KL is steered to, beginning at kl_coefficient; 0 keeps the weight fixed. Default 0.',
    ),
    0,
  ),
  kl_horizon: v.optional(
    integer(1, 1_000_000_000, 'Completions after which a steered weight has changed by about a fifth. Default 10000.'),
    10_000,
  ),
  reference_reset_every: v.optional(
    integer(
      0,
      1_000_000,
      'Steps after which the policy of that moment becomes the reference; 0: the first model stays it. Default 0.',
    ),
    0,
  ),
  importance_cap: v.optional(
    number(
      0,
      1e6,
      'Weighs each token by its probability under the trainer over that under the sampler, at most this; 0: the two are the same, as they are here. Default 0.',
    ),
    0,
  ),
  overlong_buffer: v.optional(
    number(0, 1, 'The last share of max_new_tokens, over which overlong_penalty rises from 0. Default 0.2.'),
    0.2,
  ),
  canary_every: v.optional(
    integer(0, 1_000_000, 'Steps between canary evaluations; 0 turns them off. Default 10.'),
    10,
  ),
  on_hacking: v.optional(
    v.pipe(
      v.picklist(['warn', 'stop', 'rollback']),
      v.description(
        'What to do when the canary says that the judge is being fooled: an event; or the run ends; or the policy goes back ' +
          'to what it was at the best look at the canary, and the run ends there or goes on by `fallback_reward`. Default warn.',
      ),
    ),
    'warn',
  ),
}

/** With the default of each kind of job in it. */
export const minibatches = (byDefault: number) =>
  v.optional(
    integer(1, 4096, `Updates that the rollouts of a step are divided among, in each pass. Default ${byDefault}.`),
    byDefault,
  )
export const epochs = (byDefault: number) =>
  v.optional(integer(1, 64, `Passes over the rollouts of a step. Default ${byDefault}.`), byDefault)
export const promptsPerStep = (byDefault: number) =>
  v.optional(integer(1, 65_536, `Prompts of one step, ≥ 1. Default ${byDefault}.`), byDefault)
export const klCoefficient = (byDefault: number) =>
  v.optional(
    number(
      0,
      100,
      `Weight of the KL to the reference, which is the first model; 0 leaves both out. Default ${byDefault}.`,
    ),
    byDefault,
  )

const KL_ESTIMATOR =
  'Estimate of the KL from one token: k1 = log p/ref, k2 = (log p/ref)²/2, k3 = ref/p − 1 + log p/ref.'
export const klEstimator = v.pipe(v.picklist(['k1', 'k2', 'k3']), v.description(KL_ESTIMATOR))
export const overlongMask = boolean('Leaves completions that were cut off at max_new_tokens out of the loss.')
export const overlongPenalty = number(0, 100, 'Reward that a completion of max_new_tokens loses; 0: none.')
export const clipLow = number(0, 1, 'The probability ratio is bounded below by 1 − this.')
export const clipHigh = number(0, 1e6, 'The probability ratio is bounded above by 1 + this.')
