/** `grpo`: reinforcement by group-relative advantages, on labelled and unlabelled prompts in one run. */
import * as v from 'valibot'
import { fields, integer, name, number, reference } from './fields.ts'
import { modelReference } from './model.ts'
import { allowFailedAudit, rewardRecipe } from './reward.ts'
import { learningRate, promptTemplate, steps, trainingEntries } from './training.ts'

export const grpoSpec = fields({
  type: v.literal('grpo'),
  name: v.optional(name),
  model: modelReference,
  data: v.pipe(
    fields({
      labelled: v.optional(reference('Dataset whose rows have an answer, by id or name.')),
      unlabelled: v.optional(reference('Dataset of prompts, by id or name; answers in it are not looked at.')),
      canary: v.optional(reference('Labelled dataset that is never trained on, watched for reward hacking.')),
    }),
    v.check(
      (data) => data.labelled !== undefined || data.unlabelled !== undefined,
      'must name a `labelled` or an `unlabelled` dataset, or both',
    ),
  ),
  prompt_template: promptTemplate,
  reward: v.union([reference('A recipe, by id or name.'), rewardRecipe]),
  allow_failed_audit: allowFailedAudit,
  config: fields({
    ...trainingEntries,
    learning_rate: learningRate(3e-6),
    steps,
    prompts_per_step: v.optional(integer(1, 65_536, 'Prompts of one step, ≥ 1. Default 8.'), 8),
    group_size: v.optional(integer(2, 4096, 'Completions of each prompt, ≥ 2. Default 8.'), 8),
    labelled_share: v.optional(
      number(
        0,
        1,
        "Share of a step's prompts that are labelled, a fraction. Default 0.5; all or none where only one dataset is given.",
      ),
      0.5,
    ),
    max_prompt_tokens: v.optional(
      integer(1, 1_000_000, 'Longest prompt in tokens; a longer one is an error. Default 512.'),
      512,
    ),
    max_new_tokens: v.optional(integer(1, 1_000_000, 'Longest completion in tokens. Default 256.'), 256),
    temperature: v.optional(number(0.01, 10, 'Sampling temperature, > 0. Default 1.'), 1),
    epochs: v.optional(integer(1, 64, 'Passes over the rollouts of a step. Default 1.'), 1),
    clip_epsilon: v.optional(number(0, 10, 'Half-width of the clipped probability ratio. Default 0.2.'), 0.2),
    kl_coefficient: v.optional(
      number(0, 100, 'Weight of the KL (k3) to the first model; 0 leaves it out. Default 0.'),
      0,
    ),
    advantage_epsilon: v.optional(
      number(0, 1, "Added to a group's standard deviation before dividing by it. Default 1e-4."),
      1e-4,
    ),
    canary_every: v.optional(
      integer(0, 1_000_000, 'Steps between canary evaluations; 0 turns them off. Default 10.'),
      10,
    ),
    on_hacking: v.optional(
      v.pipe(
        v.picklist(['warn', 'stop']),
        v.description('What to do when the judge rises while the canary falls. Default warn.'),
      ),
      'warn',
    ),
  }),
})
export type GrpoSpec = v.InferOutput<typeof grpoSpec>
