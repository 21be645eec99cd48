/** `grpo`: reinforcement by group-relative advantages, on labelled and unlabelled prompts in one run. */
import * as v from 'valibot'
import { ADVANTAGES, type AdvantageName } from '../rl/advantages.ts'
import { AGGREGATES, type AggregateName } from '../rl/aggregates.ts'
import { PRESETS, type AlgorithmName, type PolicyChoices } from '../rl/presets.ts'
import { fields, integer, number } from './fields.ts'
import * as rl from './reinforcement.ts'
import { learningRate, NO_CONFIG, steps } from './training.ts'

const namesOf = <N extends string>(table: Record<N, unknown>) => Object.keys(table) as [N, ...N[]]
const chosen = <S extends v.GenericSchema>(schema: S, description: string) =>
  v.optional(v.pipe(schema, v.description(`${description} Default: the algorithm's.`)))

/** What an algorithm is made of. A field that is not given is the algorithm's. */
const choices = {
  advantage: chosen(
    v.picklist(namesOf<AdvantageName>(ADVANTAGES)),
    'What a completion is held against: its group, divided by its std; its group_mean; the others of its group (leave_one_out); its group, divided by the std of the batch; all tokens of the batch (token_batch).',
  ),
  aggregate: chosen(
    v.picklist(namesOf<AggregateName>(AGGREGATES)),
    'How token losses are averaged: over all tokens (token_mean); over completions of each mean, or of each sum (sequence_mean, sequence_sum); over completions of each sum / max_new_tokens (constant).',
  ),
  ratio: chosen(
    v.picklist(['token', 'sequence']),
    'Whether a token is weighed by its own probability ratio or by that of its completion, the geometric mean.',
  ),
  clip: chosen(
    v.picklist(['objective', 'weight']),
    "What the bounds of the ratio hold: the objective, so that a token beyond them teaches no more (PPO), or only the weight of a token's gradient (CISPO).",
  ),
  clip_low: chosen(rl.clipLow, 'The probability ratio is bounded below by 1 − this.'),
  clip_high: chosen(rl.clipHigh, 'The probability ratio is bounded above by 1 + this.'),
  kl_in: chosen(v.picklist(['loss', 'reward']), 'Whether the KL is a part of the loss or is taken off the reward.'),
  kl_estimator: chosen(
    rl.klEstimator,
    'Estimate of the KL from one token: k1 = log p/ref, k2 = (log p/ref)²/2, k3 = ref/p − 1 + log p/ref.',
  ),
  dynamic_sampling: chosen(
    integer(0, 100, ''),
    'Rounds of a step in which prompts whose completions all got the same reward are replaced by the next ones; 0 keeps them.',
  ),
  overlong_mask: chosen(rl.overlongMask, 'Leaves completions that were cut off at max_new_tokens out of the loss.'),
  overlong_penalty: chosen(rl.overlongPenalty, 'Reward that a completion of max_new_tokens loses; 0: none.'),
} satisfies Record<keyof PolicyChoices, v.GenericSchema>

export const grpoSpec = fields(
  {
    type: v.literal('grpo'),
    ...rl.reinforcementJob,
    config: v.pipe(
      fields({
        algorithm: v.optional(
          v.pipe(
            v.picklist(namesOf<AlgorithmName>(PRESETS)),
            v.description('What fills the fields from advantage to overlong_penalty that are not given. Default grpo.'),
          ),
          'grpo',
        ),
        ...rl.reinforcementEntries,
        learning_rate: learningRate(3e-6),
        steps,
        prompts_per_step: rl.promptsPerStep(8),
        group_size: v.optional(integer(1, 4096, 'Completions of each prompt. Default 8.'), 8),
        epochs: rl.epochs(1),
        minibatches: rl.minibatches(1),
        kl_coefficient: rl.klCoefficient(0),
        advantage_epsilon: v.optional(
          number(0, 1, 'Added to a standard deviation of rewards before dividing by it. Default 1e-4.'),
          1e-4,
        ),
        ...choices,
      }),
      v.transform((config) => ({ ...config, ...PRESETS[config.algorithm], ...given(config) })),
      v.forward(
        v.check(
          ({ group_size, advantage }) => group_size > 1 || advantage === 'token_batch',
          'must be at least 2, for a completion is held against its group; raise it, or use `advantage: "token_batch"`',
        ),
        ['group_size'],
      ),
      v.forward(
        v.check(
          ({ kl_coefficient, kl_in, kl_estimator }) =>
            kl_coefficient === 0 || kl_in === 'reward' || kl_estimator !== 'k1',
          'k1 has no use in the loss, where its gradient is 0 on average; use k2 or k3, or `kl_in: "reward"`',
        ),
        ['kl_estimator'],
      ),
    ),
  },
  NO_CONFIG,
)
export type GrpoSpec = v.InferOutput<typeof grpoSpec>

/** The choices that a config makes itself. */
function given(config: Partial<PolicyChoices>): Partial<PolicyChoices> {
  const made = Object.keys(choices).filter((key) => config[key as keyof PolicyChoices] !== undefined)
  return Object.fromEntries(made.map((key) => [key, config[key as keyof PolicyChoices]]))
}
