/** `ppo`: reinforcement by proximal policy optimisation with a value head, on labelled and unlabelled prompts in one run. */
import * as v from 'valibot'
import { fields, integer, number } from './fields.ts'
import * as rl from './reinforcement.ts'
import { learningRate, NO_CONFIG, steps } from './training.ts'

export const ppoSpec = fields(
  {
    type: v.literal('ppo'),
    ...rl.reinforcementJob,
    config: fields({
      ...rl.reinforcementEntries,
      learning_rate: learningRate(3e-6),
      steps,
      prompts_per_step: rl.promptsPerStep(256),
      group_size: v.optional(integer(1, 4096, 'Completions of each prompt. Default 1.'), 1),
      epochs: rl.epochs(2),
      minibatches: rl.minibatches(4),
      clip_low: v.optional(rl.clipLow, 0.2),
      clip_high: v.optional(rl.clipHigh, 0.2),
      kl_coefficient: rl.klCoefficient(0.01),
      kl_estimator: v.optional(rl.klEstimator, 'k1'),
      gamma: v.optional(number(0, 1, 'Discount of a reward that is one token away. Default 1.'), 1),
      gae_lambda: v.optional(
        number(0, 1, 'λ of generalised advantage estimation: 1 trusts rewards, 0 trusts the value head. Default 0.95.'),
        0.95,
      ),
      value_coefficient: v.optional(number(0, 1000, 'Weight of the value loss beside the policy loss. Default 5.'), 5),
      value_clip: v.optional(
        number(0, 1e6, 'How far a value may move from what it was before the step. Default 0.2.'),
        0.2,
      ),
      value_learning_rate: v.optional(
        number(
          0,
          10,
          'Peak learning rate of the value head, which begins at 0; the rest has learning_rate. Default 1e-4.',
        ),
        1e-4,
      ),
      overlong_mask: v.optional(rl.overlongMask, false),
      overlong_penalty: v.optional(rl.overlongPenalty, 0),
    }),
  },
  NO_CONFIG,
)
export type PpoSpec = v.InferOutput<typeof ppoSpec>
