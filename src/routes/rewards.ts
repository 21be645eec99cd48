import { NOTHING_USED } from '../core/judges/usage-counts.ts'
import { groupsOf, relativeToGroup } from '../core/rewards/groups.ts'
import { JUDGE_ROLES, overlapOf, rewardRows } from '../core/rewards/reward-rows.ts'
import { rewardResolution } from '../core/rewards/resolution.ts'
import {
  rewardsAnswer,
  rewardsRequest,
  verifyReceiptAnswer,
  verifyReceiptRequest,
  type RewardRecipe,
  type RewardsRequest,
} from '../core/schemas/reward.ts'
import { agreement, brier, type Graded } from '../core/stats/agreement.ts'
import type { Deps } from '../service/deps.ts'
import { findResource } from '../service/find-resource.ts'
import { isId } from '../service/ids.ts'
import { askJudge, refuseBeyondAll } from '../service/judges/ask-judge.ts'
import { findRecipe } from '../service/find-recipe.ts'
import { withPrograms } from '../service/with-programs.ts'
import { checkReceipt, makeReceipt } from '../service/rewards/receipt.ts'
import { MAX_BATCH_BYTES, route } from './http/route.ts'

/** The recipe that a request names or holds, with ids in place of its judges' names. */
async function recipeOf({ database }: Deps, tenant: string, reward: RewardsRequest['reward']): Promise<RewardRecipe> {
  if (typeof reward === 'string') return findRecipe(database, tenant, reward)
  const resolved = { ...reward }
  for (const role of JUDGE_ROLES) {
    const named = reward[role]
    if (named === undefined || isId(named, 'judge')) continue
    resolved[role] = (await findResource(database, 'judges', tenant, named, `reward.${role}`)).id
  }
  return resolved
}

function showOverlap(graded: readonly Graded[]) {
  const { n, accuracy, falsePositiveRate, falseNegativeRate, auc } = agreement(graded)
  const rates = { false_positive_rate: falsePositiveRate, false_negative_rate: falseNegativeRate }
  return { n, accuracy, ...rates, auc, brier: brier(graded) }
}

export const rewardRoutes = [
  route({
    method: 'POST',
    path: '/v1/rewards',
    operationId: 'createRewards',
    tag: 'Scoring',
    summary: 'Reward completions by a recipe',
    description:
      'r = λ·verifier + μ·judge + ρ·reranker over the terms that apply to the row: the verifier where it has an ' +
      '`answer`, the others on any. Rows whose outcome is not `scored` have no reward: null, never a number.',
    scope: 'judge',
    body: rewardsRequest,
    maxBytes: MAX_BATCH_BYTES,
    example: {
      reward: { lambda: 1, verifier: 'math' },
      items: [{ prompt: 'What is 2 + 3?', completion: 'It is 5.', answer: '5' }],
    },
    response: rewardsAnswer,
    async handler({ deps, caller, body: { reward, items, advantage }, request, work }) {
      const recipe = await recipeOf(deps, caller.tenant, reward)
      // A control draws by what was sent, so that the same request is answered the same.
      const stream = recipe.control ? JSON.stringify(items) : ''
      const { rewards, rows, judgments } = await withPrograms(
        deps.programs,
        caller.tenant,
        request.signal,
        (programs) =>
          rewardRows(
            recipe,
            items,
            // The recipe's own check: whoever has a weight is named.
            async (asked, role) =>
              (await askJudge(deps, caller, recipe[role]!, `reward.${role}`, asked, { signal: request.signal, work }))
                .scored,
            {
              programs,
              stream,
              work,
              checks: deps.checks && { by: deps.checks, whose: caller.tenant },
              beforeAsking: refuseBeyondAll(deps, caller, recipe, (role) => `reward.${role}`, items.length),
            },
          ),
      )
      const verified = rows.filter(({ verdict }) => verdict !== null).length
      deps.ledger.add(caller, '', { ...NOTHING_USED, items: verified })
      const advantages =
        advantage &&
        relativeToGroup(
          rewards.map((r) => r.reward),
          groupsOf(items),
          advantage,
          rewardResolution(recipe),
        )
      if (work.due) await work.turn()
      const data = advantages ? rewards.map((row, i) => ({ ...row, advantage: advantages[i] })) : rewards
      return {
        object: 'list',
        data,
        has_more: false,
        recipe,
        overlap: showOverlap(overlapOf(rows, judgments)),
        receipt: await makeReceipt(deps.secrets, caller.tenant, { recipe, items, data }, deps.clock.now()),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/v1/rewards/verify-receipt',
    operationId: 'verifyReceipt',
    tag: 'Scoring',
    summary: 'Check that this server gave these rewards',
    description:
      'A receipt is valid for the tenant that it was made for. `sha256` is that of `{"data", "items", "recipe"}` in the ' +
      'canonical form of RFC 8785, with the items as they were sent; `hmac` is HMAC-SHA-256 of the lines ' +
      '`gavel-receipt-1`, tenant, `created_at` and `sha256`.',
    scope: 'judge',
    body: verifyReceiptRequest,
    maxBytes: MAX_BATCH_BYTES,
    response: verifyReceiptAnswer,
    async handler({ deps, caller, body: { receipt, content } }) {
      const reason = await checkReceipt(deps.secrets, caller.tenant, receipt, content)
      return { valid: reason === null, reason }
    },
  }),
]
