import { overlapOf, rewardRows, type RowReward } from '../../core/rewards/reward-rows.ts'
import { overlongShare } from '../../core/rl/overlong-share.ts'
import type { LeasedSpec } from '../../core/schemas/job.ts'
import type { RewardItem } from '../../core/schemas/reward.ts'
import type { Graded } from '../../core/stats/agreement.ts'
import type { Completion, Generator } from '../rollout/generator.ts'
import type { TextCodec } from '../text/text-codec.ts'
import { finiteOrStop, REMEDIES } from './finite-or-stop.ts'
import { isPrefetched, JudgePrefetch } from './judge-prefetch.ts'
import type { Prompt } from './prompts.ts'
import { requireScores } from './require-scores.ts'
import type { RunContext } from './run-context.ts'
import type { AnswerLimits } from './token-limits.ts'

export interface Rollout {
  prompt: Prompt
  completion: Completion
  item: RewardItem
  reward: RowReward
  /** The reward that is learned from: less what coming close to the limit costs. Null where there is no score. */
  score: number | null
  /** Where both are known: the judge's probability beside the truth. */
  overlap: Graded | null
}

interface RollOutOptions {
  spec: Pick<LeasedSpec<'grpo' | 'ppo'>, 'reward'> & { config: LeasedSpec<'grpo' | 'ppo'>['config'] & AnswerLimits }
  context: RunContext
  generator: Generator
  codec: TextCodec
  stopIds: readonly number[]
  step: number
  /** What the answers are drawn from, and the recipe's control. */
  seed: string
  /** Told when a part of the work is done: `rollout`, `reward`. */
  lap(what: string): void
}

/**
 * Answers each prompt `group_size` times and rewards the answers; those to one prompt together, in order.
 * @throws GavelError `diverged` where the model computes no numbers; as `requireScores` where nothing was scored
 */
export async function rollOut(prompts: readonly Prompt[], options: RollOutOptions): Promise<Rollout[]> {
  const { spec, context, generator, codec, stopIds, step, seed, lap } = options
  const { config, reward: recipe } = spec
  const promptAt = (i: number) => prompts[Math.floor(i / config.group_size)]!
  const itemOf = ({ ids, finish }: Completion, i: number): RewardItem => {
    const { question, answer, ids: asked } = promptAt(i)
    const item = { prompt: question, completion: codec.decodeAnswer(asked, ids), finish_reason: finish }
    return answer === undefined ? item : { ...item, answer }
  }
  const prefetch = new JudgePrefetch((items, role) => context.judge(items, role))
  const completions = await generator.generate(
    prompts.map(({ ids }) => ({ prompt: ids, samples: config.group_size })),
    {
      maxNewTokens: config.max_new_tokens,
      stopIds,
      temperature: config.temperature,
      seed,
      ...(isPrefetched(recipe, context) && { onDone: prefetch.whenDone(recipe, config.group_size, itemOf) }),
    },
  )
  const broken = completions.flatMap(({ logprobs }, i) => (logprobs.every(Number.isFinite) ? [] : [promptAt(i)]))
  if (broken.length) finiteOrStop(step, { 'the log-probability of its answers': NaN }, REMEDIES.reinforcement, broken)
  const items = completions.map(itemOf)
  lap('rollout')
  const rewarding = { programs: context.programs, stream: seed }
  const { rewards, judgments, rows } = await rewardRows(recipe, items, prefetch.ask, rewarding)
  requireScores(`step ${step}`, rewards)
  lap('reward')
  const limit = config.max_new_tokens
  const buffer = config.overlong_buffer * limit
  return completions.map((completion, i): Rollout => {
    const reward = rewards[i]!
    const loss = config.overlong_penalty * overlongShare(completion.ids.length, { limit, buffer })
    return {
      prompt: promptAt(i),
      completion,
      item: items[i]!,
      reward,
      score: reward.reward === null ? null : reward.reward - loss,
      overlap: overlapOf([rows[i]!], [judgments[i]!])[0] ?? null,
    }
  })
}
