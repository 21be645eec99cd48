import type { AdvantageName } from './advantages.ts'
import type { AggregateName } from './aggregates.ts'

/** What tells group-relative algorithms apart: entries of tables, which a job may also choose one by one. */
export interface PolicyChoices {
  advantage: AdvantageName
  aggregate: AggregateName
  /** Whether a token is weighed by its own ratio or by that of its whole answer. */
  ratio: 'token' | 'sequence'
  /** What is bounded: the objective (PPO), or only the weight of a token's gradient (CISPO). */
  clip: 'objective' | 'weight'
  /** The ratio is bounded to 1 − clip_low … 1 + clip_high. */
  clip_low: number
  clip_high: number
  kl_in: 'loss' | 'reward'
  kl_estimator: 'k1' | 'k2' | 'k3'
  /** Rounds in which groups without spread may be replaced; 0 keeps them. */
  dynamic_sampling: number
  /** Whether answers that were cut off are left out of the loss. */
  overlong_mask: boolean
  /** Reward that an answer of the greatest length loses. */
  overlong_penalty: number
}

const GRPO: PolicyChoices = {
  advantage: 'group',
  aggregate: 'sequence_mean',
  ratio: 'token',
  clip: 'objective',
  clip_low: 0.2,
  clip_high: 0.2,
  kl_in: 'loss',
  kl_estimator: 'k3',
  dynamic_sampling: 0,
  overlong_mask: false,
  overlong_penalty: 0,
}

export const PRESETS = {
  /** arXiv 2402.03300 */
  grpo: GRPO,
  /** arXiv 2503.20783 */
  dr_grpo: { ...GRPO, advantage: 'group_mean', aggregate: 'constant' },
  /** arXiv 2503.14476; there rewards span −1 … 1 and the penalty is 1, here they span 0 … 1. */
  dapo: {
    ...GRPO,
    aggregate: 'token_mean',
    clip_high: 0.28,
    dynamic_sampling: 3,
    overlong_mask: true,
    overlong_penalty: 0.5,
  },
  /** arXiv 2507.18071 */
  gspo: { ...GRPO, ratio: 'sequence', clip_low: 3e-4, clip_high: 4e-4 },
  /** arXiv 2506.13585: no lower bound; an upper one of 5 (arXiv 2510.13786). */
  cispo: { ...GRPO, aggregate: 'token_mean', clip: 'weight', clip_low: 1, clip_high: 4 },
  /** arXiv 2402.14740 */
  rloo: { ...GRPO, advantage: 'leave_one_out', aggregate: 'sequence_sum', kl_in: 'reward', kl_estimator: 'k1' },
  /** arXiv 2501.03262 */
  'reinforce++': {
    ...GRPO,
    advantage: 'token_batch',
    aggregate: 'token_mean',
    kl_in: 'reward',
    kl_estimator: 'k1',
  },
} satisfies Record<string, PolicyChoices>

export type AlgorithmName = keyof typeof PRESETS
