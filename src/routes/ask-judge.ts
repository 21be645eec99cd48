import { GavelError } from '../core/errors.ts'
import { findResource } from '../core/find-resource.ts'
import { judgeInput } from '../core/jobs/job-inputs.ts'
import { scoreItems, type ScoredItem } from '../core/judges/score.ts'
import type { JudgeItem } from '../core/judges/template.ts'
import type { JudgeClient } from '../core/ports.ts'
import type { Judge } from '../core/schemas/judge.ts'
import type { Judgment } from '../core/schemas/judgment.ts'
import { takeFromBudget } from '../core/usage/budget.ts'
import { countScored } from '../core/usage/usage.ts'
import type { Deps } from './deps.ts'
import { showJudge } from './judges.ts'
import type { Caller } from './route.ts'

/** For whom a judge is asked: a key, or a job (which has no budget of its own). */
export type Asking = Pick<Caller, 'tenant' | 'key' | 'budget'>

/** A judge that can be asked. */
export interface OpenJudge {
  judge: Judge
  client: JudgeClient
  /**
   * Call it with what came of asking: it enters that into the ledger, and throws where the judge can never be asked. That
   * is not one item's bad luck, so it is an error and no outcome.
   */
  settle(scored: readonly Pick<ScoredItem, 'outcome' | 'cached' | 'usage'>[]): void
  /** Call it when done, however that went. */
  release(): void
}

/**
 * A tenant's judge by id or name, to be asked about so many items.
 * @param param the field that named the judge
 * @throws GavelError `not_found` when there is no such judge, `rate_limited` when the budget does not allow for it
 */
export async function openJudge(
  deps: Deps,
  asking: Asking,
  reference: string,
  param: string,
  items: number,
): Promise<OpenJudge> {
  const { tenant } = asking
  const row = await findResource(deps.database, 'judges', tenant, reference, param)
  const judge = showJudge(row)
  let refusal: GavelError | undefined
  const client: JudgeClient = {
    // Made only when something is not cached: a replay needs neither the secret nor the provider.
    async firstTokenLogprobs(requests, signal) {
      try {
        const secret = row.secret === null ? null : await deps.secrets.open(row.secret, row.id)
        const local = judge.provider.type === 'local' ? await judgeInput(deps, tenant, row.id) : null
        return await deps.judgeClient(judge, secret, local).firstTokenLogprobs(requests, signal)
      } catch (error) {
        if (error instanceof GavelError && !error.retryable) refusal = error
        throw error
      }
    },
  }
  return {
    judge,
    client,
    settle(scored) {
      if (refusal) throw refusal
      deps.ledger.add(asking, judge.id, countScored(scored))
    },
    release: await takeFromBudget(deps.ledger, asking, asking.budget, items, deps.clock.now()),
  }
}

/**
 * Has a tenant's judge score items, in order; what is known from before is not asked again.
 * @param param the field that named the judge
 * @throws GavelError `not_found` when there is no such judge, `unavailable_here` when it cannot be asked from here,
 *   `rate_limited` when the budget does not allow for it
 */
export async function askJudge(
  deps: Deps,
  asking: Asking,
  reference: string,
  param: string,
  items: JudgeItem[],
  signal?: AbortSignal,
): Promise<{ judge: string; scored: ScoredItem[] }> {
  const { judge, client, settle, release } = await openJudge(deps, asking, reference, param, items.length)
  try {
    const scored = await scoreItems(items, judge, client, deps.database.judgments, signal)
    settle(scored)
    return { judge: judge.id, scored }
  } finally {
    release()
  }
}

/** A score as the API gives it. Only `scored` carries a number. */
export function showJudgment(item: ScoredItem): Judgment {
  const { cached } = item
  if (item.outcome === 'scored') {
    return {
      outcome: 'scored',
      reward: item.probability,
      probability: item.probability,
      label_mass: item.labelMass,
      cached,
    }
  }
  if (item.outcome === 'abstained') {
    return {
      outcome: 'abstained',
      reward: null,
      probability: null,
      label_mass: item.labelMass,
      cached,
      reason: item.reason,
    }
  }
  return { outcome: 'failed', reward: null, probability: null, label_mass: null, cached: false, reason: item.reason }
}
