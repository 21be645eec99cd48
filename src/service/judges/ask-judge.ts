import { GavelError } from '../../core/errors.ts'
import { agreementOfJudges, combineJudges } from '../../core/judges/ensemble.ts'
import { hasShades, verdictEntropy } from '../../core/judges/probability.ts'
import {
  calibrated,
  scoreItems,
  type AskingOptions,
  type JudgmentCache,
  type ScoredItem,
} from '../../core/judges/score-items.ts'
import { scoreLabels, type LabelQuestion, type LabelScores } from '../../core/judges/score-labels.ts'
import type { JudgeItem } from '../../core/judges/template.ts'
import { NO_COUNTS, NO_SHADES } from '../../core/judges/warnings.ts'
import { countOutcomes, NOTHING_USED, type UsageCounts } from '../../core/judges/usage-counts.ts'
import type { FirstTokenLogprobs, JudgeClient, LabelTokens, ProviderTakes } from '../../core/ports.ts'
import type { JudgeRole, Rewarding } from '../../core/rewards/reward-rows.ts'
import type { EnsembleProvider, Judge } from '../../core/schemas/judge.ts'
import type { Judgment, JudgmentsAnswer } from '../../core/schemas/judgment.ts'
import type { KeyBudget } from '../../core/schemas/key.ts'
import type { RewardRecipe } from '../../core/schemas/reward.ts'
import type { JudgeBody, Payer, ResourceRow, Spent, UsageReport } from '../database.ts'
import type { Deps } from '../deps.ts'
import { findResource } from '../find-resource.ts'
import { judgeInput } from '../jobs/job-inputs.ts'
import { refuseBeyond, takeFromBudget } from '../usage/budget.ts'
import { budgeted, costOf, spentBudget, spentOn, usageOf } from './budget.ts'
import { showJudge } from './show-judge.ts'

/** For whom a judge is asked: a key, itself or by a job that it made. */
export interface Asking extends Payer {
  /** What the key may use; absent where it is not limited. */
  budget?: KeyBudget | undefined
}

/** A judge that can be asked. */
export interface OpenRow {
  judge: Judge
  client: JudgeClient
  /** What is known from before; what is kept in it is entered into the ledger with the tokens that it took. */
  cache: JudgmentCache
  /**
   * Call it with what came of asking: it enters how many came out how into the ledger, and throws where the judge can never be asked. That
   * is not one item's bad luck, so it is an error and no outcome. Nor is a budget that ran out in the middle of a job,
   * which must not go on with the rewards it got. Of a request that was given up in the middle, what was answered counts
   * all the same; then it throws the reason of the signal.
   */
  settle(scored: readonly Pick<ScoredItem, 'outcome' | 'cached'>[], signal?: AbortSignal): void
  /** What its provider takes, of one that is asked for tokens and was asked. */
  takes(): ProviderTakes | null
  /** Call it when done, however that went. */
  release(): void
}

/** A judge that can be asked questions with fixed answers. */
export interface OpenJudge {
  judge: Judge
  /** Asks it, and enters that into the ledger; throws where the judge can never be asked. */
  ask(questions: LabelQuestion[]): Promise<LabelScores[]>
  /** Call it when done, however that went. */
  release(): void
}

/**
 * A tenant's judge by id or name, to be asked about so many items.
 * @param param the field that named the judge
 * @param items how many items it will be asked about, given what kind of judge it is
 * @throws GavelError `not_found` when there is no such judge, `unprocessable` when it is an ensemble, which has no model of its own;
 *   `budget_spent` when the budget does not allow for it, `too_large` when it never would
 */
export async function openJudge(
  deps: Deps,
  asking: Asking,
  reference: string,
  param: string,
  items: (judge: JudgeBody) => number,
  options: AskingOptions = {},
): Promise<OpenJudge> {
  const row = await findResource(deps.database, 'judges', asking.tenant, reference, param)
  if (row.body.provider.type === 'ensemble') {
    const message = `\`${param}\` is an ensemble of judges, which has no model of its own to ask; name one of its judges.`
    throw new GavelError('unprocessable', message, { param })
  }
  const { judge, client, cache, settle, release } = await openRow(deps, asking, row, items(row.body))
  const ask = async (questions: LabelQuestion[]) => {
    const scores = await scoreLabels(questions, judge, client, cache, options)
    settle(scores, options.signal)
    return scores
  }
  return { judge, ask, release }
}

/** @param isProbe to find out what its provider can, with nothing that was learnt before */
export async function openRow(
  deps: Deps,
  asking: Asking,
  row: ResourceRow<JudgeBody>,
  items: number,
  isProbe = false,
): Promise<OpenRow> {
  const judge = showJudge(row)
  /** Why the judge can never be asked, and that its budget ran out. */
  let refusal: GavelError | undefined
  let spent: GavelError | undefined
  let opened: JudgeClient | undefined
  const client: JudgeClient = {
    // Made only when something is not cached: a replay needs neither the secret nor the provider.
    async firstTokenLogprobs(requests, signal) {
      deps.ledger.refuseWhenFull()
      try {
        opened ??= await clientOf(deps, row, isProbe)
        const answers = await opened.firstTokenLogprobs(requests, signal)
        if (!isProbe) await noteFindings(deps, row, answers)
        return answers
      } catch (error) {
        if (error instanceof GavelError && !error.retryable) refusal = error
        throw error
      }
    },
  }
  const spend = (more: Spent) => spendOn(deps, judge.id, more)
  const cache = deps.judgments.paidBy((used) =>
    deps.ledger.add(asking, judge.id, { ...NOTHING_USED, ...used, cost: costOf(used, judge.price) ?? 0 }),
  )
  return {
    judge,
    cache,
    client: budgeted(client, judge, spend, (error) => (spent = error)),
    settle(all, signal) {
      if (refusal) throw refusal
      const scored = signal?.aborted ? all.filter(({ outcome }) => outcome !== 'failed') : all
      deps.ledger.add(asking, judge.id, countOutcomes(scored))
      if (asking.job !== undefined && spent) throw spent
      signal?.throwIfAborted()
    },
    takes: () => opened?.takes?.() ?? null,
    release: await takeFromBudget(deps.ledger, asking, asking.budget, items, deps.clock.now()),
  }
}

/** Puts warnings beside a judge whose provider turns out to tell no probabilities, or not how many tokens it took. */
async function noteFindings(
  { database, logError }: Deps,
  { tenant, id, body: { warnings = [] } }: ResourceRow<JudgeBody>,
  answers: readonly (FirstTokenLogprobs | Error)[],
): Promise<void> {
  // Only a provider's alternatives: of an endpoint that decides, a certain verdict is a verdict.
  const told = answers.flatMap((answer) => (answer instanceof Error || answer.complete ? [] : [answer]))
  const found = [
    ...(told.length > 0 && !told.some(({ logprobs }) => hasShades(logprobs)) ? [NO_SHADES] : []),
    ...(usageOf(answers).some(({ uncounted }) => uncounted) ? [NO_COUNTS] : []),
  ]
  const fresh = found.filter((warning) => !warnings.includes(warning))
  if (fresh.length === 0) return
  // The answers are paid for: that this cannot be written down must not lose them.
  await database.judges
    .annotate(tenant, id, { warnings: [...warnings, ...fresh] })
    .catch((error: unknown) => logError(error, `warnings of ${id}`))
}

/** What is spent on a judge by now, with `more`, which is written down, or kept in memory until it can be. */
async function spendOn({ database, ledger }: Deps, judge: string, more: Spent): Promise<Spent> {
  if (more.tokens > 0 || more.cost > 0) {
    ledger.spend(judge, more)
    await ledger.flush().catch(() => {})
  }
  const [written, unwritten] = [await database.judges.spentOn(judge), ledger.unwrittenSpent(judge)]
  return { tokens: written.tokens + unwritten.tokens, cost: written.cost + unwritten.cost }
}

async function clientOf(deps: Deps, row: ResourceRow<JudgeBody>, isProbe = false): Promise<JudgeClient> {
  const judge = showJudge(row)
  const secret = row.secret === null ? null : await deps.secrets.open(row.secret, row.id)
  const local = judge.provider.type === 'local' ? await judgeInput(deps, row.tenant, row.id) : null
  return deps.judgeClient(judge, secret, local, isProbe)
}

/**
 * The token ids that stand for a judge's labels: from its tokenizer where that is at hand, else as the judge was told
 * them; null where nobody knows.
 * @param param the field that named the judge
 * @throws GavelError `not_found` when there is no such judge; what keeps a local one from being opened
 */
export async function labelTokensOf(
  deps: Deps,
  { tenant }: Pick<Asking, 'tenant'>,
  reference: string,
  param: string,
): Promise<LabelTokens | null> {
  const row = await findResource(deps.database, 'judges', tenant, reference, param)
  if (row.body.provider.type !== 'local') return row.body.label_token_ids ?? null
  return (await (await clientOf(deps, row)).labelTokens?.()) ?? null
}

export interface Asked {
  judge: Judge
  scored: (ScoredItem & { cost: number | null })[]
}

/**
 * Has a tenant's judge score items, in order; what is known from before is not asked again. An ensemble's judges are
 * asked at the same time.
 * @param param the field that named the judge
 * @throws GavelError `not_found` when there is no such judge, `unavailable_here` when it cannot be asked from here,
 *   `budget_spent` when the budget does not allow for it, `too_large` when it never would
 */
export async function askJudge(
  deps: Deps,
  asking: Asking,
  reference: string,
  param: string,
  items: JudgeItem[],
  options: AskingOptions = {},
): Promise<Asked> {
  const row = await findResource(deps.database, 'judges', asking.tenant, reference, param)
  const { provider } = row.body
  if (provider.type === 'ensemble') return askEnsemble(deps, asking, showJudge(row), provider, param, items, options)
  const { judge, client, cache, settle, release } = await openRow(deps, asking, row, items.length)
  try {
    const scored = await scoreItems(items, judge, client, cache, options)
    settle(scored, options.signal)
    return { judge, scored: scored.map((item) => ({ ...item, cost: costOf(item.usage, judge.price) })) }
  } finally {
    release()
  }
}

/**
 * Refuses what no budget of the key's size allows for, before any of the judges that share it is asked.
 * @param paramOf the field that named the judge of a role
 * @param rows how many a request has
 * @returns to be called with how many of the rows each judge is to be asked about
 * @throws GavelError `too_large`; `not_found` when there is no such judge
 */
export const refuseBeyondAll =
  (
    deps: Deps,
    asking: Asking,
    recipe: Pick<RewardRecipe, JudgeRole>,
    paramOf: (role: JudgeRole) => string,
    rows: number,
  ): NonNullable<Rewarding['beforeAsking']> =>
  async (asks) => {
    if (asking.budget?.items === undefined || asks.length < 2) return
    let total = 0
    for (const { role, items } of asks) {
      const { body } = await findResource(deps.database, 'judges', asking.tenant, recipe[role]!, paramOf(role))
      total += items * (body.provider.type === 'ensemble' ? body.provider.judges.length : 1)
    }
    refuseBeyond(asking.budget, asking, total, rows)
  }

async function askEnsemble(
  deps: Deps,
  asking: Asking,
  judge: Judge,
  ensemble: EnsembleProvider,
  param: string,
  items: JudgeItem[],
  options: AskingOptions,
): Promise<Asked> {
  refuseBeyond(asking.budget, asking, items.length * ensemble.judges.length, items.length)
  const asked = await Promise.all(ensemble.judges.map((id) => askJudge(deps, asking, id, param, items, options)))
  const members = asked.map(({ scored }) => scored)
  const scored = combineJudges(ensemble, members).map((item, i) => {
    const costs = members.flatMap((own) => own[i]!.cost ?? [])
    const cost = costs.length === 0 ? null : costs.reduce((sum, one) => sum + one, 0)
    return { ...calibrated(item, judge), cost }
  })
  return { judge, scored }
}

/**
 * Enters what a job's own worker used of a local judge, which it asks without the API: the items before, the rest after.
 * @throws GavelError `budget_spent` when the budget of the key or of the judge does not allow for the items
 */
export async function noteUse(
  deps: Deps,
  asking: Asking,
  report: UsageReport,
  reference: string,
  used: Omit<UsageCounts, 'cached' | 'uncounted' | 'cost'>,
): Promise<void> {
  const judge = showJudge(await findResource(deps.database, 'judges', asking.tenant, reference, 'judge'))
  const asks = used.items > 0
  if (asks && judge.budget) {
    const refusal = spentBudget(judge, judge.spent ?? { tokens: 0, cost: 0 })
    if (refusal) throw refusal
  }
  const budget = asks ? asking.budget : undefined
  const release = await takeFromBudget(deps.ledger, asking, budget, used.items, deps.clock.now())
  try {
    const spent = spentOn(used, judge.price)
    const counts = { ...NOTHING_USED, ...used, cost: spent.cost }
    await deps.ledger.addReport(report, asking, judge.id, counts, judge.budget ? spent : null)
  } finally {
    release()
  }
}

/** What the API answers about scored items. */
export function showJudgments({ judge, scored }: Asked): JudgmentsAnswer {
  const agreement = agreementOfJudges(scored)
  return {
    object: 'list',
    data: scored.map((item) => showJudgment(item, judge)),
    has_more: false,
    judge: judge.id,
    ...(agreement && { agreement }),
  }
}

/** A score as the API gives it. Only `scored` carries a number. */
function showJudgment(item: Asked['scored'][number], judge: Judge): Judgment {
  const { cached, usage, members } = item
  const asking = {
    cached,
    tokens: usage.uncounted
      ? { prompt: null, completion: null }
      : { prompt: usage.promptTokens, completion: usage.completionTokens },
    cost: usage.uncounted ? null : item.cost,
    latency_ms: item.latencyMs ?? null,
    ...(members && { members }),
  }
  if (item.outcome === 'scored') {
    const { probability, raw = probability, labelMass } = item
    return {
      outcome: 'scored',
      reward: probability,
      probability: raw,
      calibrated_probability: judge.calibration ? probability : null,
      label_mass: labelMass,
      entropy: verdictEntropy(raw),
      ...asking,
    }
  }
  const { outcome, reason } = item
  if (outcome === 'failed') return { outcome, reward: null, probability: null, label_mass: null, reason, ...asking }
  return { outcome, reward: null, probability: null, label_mass: item.labelMass, reason, ...asking }
}
