import { GavelError } from '../../core/errors.ts'
import { PROBE_ITEM, probeFinding, type ProbeFinding } from '../../core/judges/probe.ts'
import { scoredFrom, sumUsage } from '../../core/judges/score-items.ts'
import { renderings } from '../../core/judges/template.ts'
import type { FirstTokenLogprobs } from '../../core/ports.ts'
import type { JudgeBody, ResourceRow } from '../database.ts'
import type { Deps } from '../deps.ts'
import { openRow, type Asking } from './ask-judge.ts'

/** How long whoever creates a judge waits for it to be tried. */
const PATIENCE_MS = 10_000

/**
 * Asks a judge twice the same, past the cache, and keeps beside it what that tells. Nothing is tried again and nothing that
 * was learnt of its provider before is used; the tokens are paid for as any.
 * @throws GavelError `unprocessable` for an ensemble, `unavailable_here` when it cannot be asked from here, `budget_spent`
 */
export async function probeJudge(
  deps: Deps,
  asking: Asking,
  row: ResourceRow<JudgeBody>,
  signal?: AbortSignal,
): Promise<void> {
  if (row.body.provider.type === 'ensemble') {
    const message = '`id` is an ensemble of judges, which has no model of its own to try; try its judges.'
    throw new GavelError('unprocessable', message, { param: 'id' })
  }
  const { judge, client, cache, settle, takes, release } = await openRow(deps, asking, row, 2, true)
  try {
    const [{ messages }] = renderings(judge, PROBE_ITEM) as [ReturnType<typeof renderings>[0]]
    const request = { messages, labels: [judge.labels.yes, judge.labels.no] }
    const ask = async (): Promise<FirstTokenLogprobs | Error> => {
      try {
        const [answer] = await client.firstTokenLogprobs([request], signal)
        return answer ?? new Error('it gave no answer')
      } catch (error) {
        if (error instanceof Error && error.name !== 'TimeoutError') return error
        return new Error(`it gave no answer within ${PATIENCE_MS / 1000} s; \`gavel judge doctor\` waits for longer`)
      }
    }
    const first = await ask()
    const second = first instanceof Error ? null : await ask()
    const scored = [first, ...(second ? [second] : [])].map((answer) => scoredFrom(answer, judge))
    // Kept is nothing, but what it took.
    await cache.putMany(judge.id, new Map(), sumUsage(scored))
    settle(scored)
    await note(deps, row, probeFinding(judge, [first, second], takes(), deps.clock.now()))
  } finally {
    release()
  }
}

/** As {@link probeJudge} of a judge that was just made, which stays whatever comes of it. Local ones and ensembles are not tried. */
export async function probeNewJudge(deps: Deps, asking: Asking, row: ResourceRow<JudgeBody>): Promise<void> {
  const { type } = row.body.provider
  if (type === 'local' || type === 'ensemble') return
  const patience = AbortSignal.timeout(PATIENCE_MS)
  try {
    await probeJudge(deps, asking, row, patience)
  } catch (error) {
    if (!(error instanceof GavelError) && !patience.aborted) throw error
    await note(deps, row, probeFinding(row.body, [error as Error, null], null, deps.clock.now()))
  }
}

const note = (deps: Deps, { tenant, id }: ResourceRow<JudgeBody>, finding: ProbeFinding) =>
  deps.database.judges.annotate(tenant, id, finding)
