import { findResource } from '../core/find-resource.ts'
import { rewardRows } from '../core/rewards/reward-rows.ts'
import { rewardsAnswer, rewardsRequest } from '../core/schemas/reward.ts'
import { NOTHING_USED } from '../core/usage/usage.ts'
import { askJudge } from './ask-judge.ts'
import { MAX_BATCH_BYTES, route } from './route.ts'

export const rewardRoutes = [
  route({
    method: 'POST',
    path: '/v1/rewards',
    operationId: 'createRewards',
    tag: 'Scoring',
    summary: 'Reward completions by a recipe',
    description:
      'r = λ·verifier + μ·judge over the terms that apply to the row: the verifier where it has an `answer`, the judge ' +
      'on any. Rows whose outcome is not `scored` have no reward: null, never a number.',
    scope: 'judge',
    body: rewardsRequest,
    maxBytes: MAX_BATCH_BYTES,
    example: {
      reward: { lambda: 1, verifier: 'math' },
      items: [{ prompt: 'What is 2 + 3?', completion: 'It is 5.', answer: '5' }],
    },
    response: rewardsAnswer,
    async handler({ deps, caller, body, request }) {
      const recipe =
        typeof body.reward === 'string'
          ? (await findResource(deps.database, 'recipes', caller.tenant, body.reward, 'reward')).body
          : body.reward
      // The recipe's own check: without a judge, mu is 0 and no row needs one.
      const { rewards } = await rewardRows(
        recipe,
        body.items,
        async (items) => (await askJudge(deps, caller, recipe.judge!, 'reward.judge', items, request.signal)).scored,
        deps.programs,
      )
      const verified = rewards.filter(({ terms }) => terms.verifier !== undefined).length
      deps.ledger.add(caller, '', { ...NOTHING_USED, items: verified })
      return { object: 'list', data: rewards, has_more: false }
    },
  }),
]
