import { GavelError } from '../core/errors.ts'
import { findResource } from '../core/find-resource.ts'
import { judgeInput } from '../core/jobs/job-inputs.ts'
import { scoreItems, type ScoredItem } from '../core/judges/score.ts'
import type { JudgeItem } from '../core/judges/template.ts'
import type { JudgeClient } from '../core/ports.ts'
import type { Judge } from '../core/schemas/judge.ts'
import type { Judgment } from '../core/schemas/judgment.ts'
import type { Deps } from './deps.ts'
import { showJudge } from './judges.ts'

/** A judge that can be asked. */
export interface OpenJudge {
  judge: Judge
  client: JudgeClient
  /** Not one item's bad luck but a judge that can never be asked is an error, not an outcome. Call it after asking. */
  throwRefusal(): void
}

/**
 * A tenant's judge by id or name.
 * @param param the field that named the judge
 * @throws GavelError `invalid_request` when there is no such judge
 */
export async function openJudge(deps: Deps, tenant: string, reference: string, param: string): Promise<OpenJudge> {
  const row = await findResource(deps.database, 'judges', tenant, reference, param, 'invalid_request')
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
  const throwRefusal = () => {
    if (refusal) throw refusal
  }
  return { judge, client, throwRefusal }
}

/**
 * Has a tenant's judge score items, in order; what is known from before is not asked again.
 * @param param the field that named the judge
 * @throws GavelError `invalid_request` when there is no such judge, `unavailable_here` when it cannot be asked from here
 */
export async function askJudge(
  deps: Deps,
  tenant: string,
  reference: string,
  param: string,
  items: JudgeItem[],
  signal?: AbortSignal,
): Promise<{ judge: string; scored: ScoredItem[] }> {
  const { judge, client, throwRefusal } = await openJudge(deps, tenant, reference, param)
  const scored = await scoreItems(items, judge, client, deps.database.judgments, signal)
  throwRefusal()
  return { judge: judge.id, scored }
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
