import { GavelError } from '../../core/errors.ts'
import { JudgeFailure } from '../../core/judges/judge-failure.ts'
import { sumTokens } from '../../core/judges/token-usage.ts'
import type { FirstTokenLogprobs, JudgeClient, TokenUsage } from '../../core/ports.ts'
import type { Judge } from '../../core/schemas/judge.ts'
import type { Spent } from '../database.ts'

/** What tokens cost, in US dollars; null without a price. Calls of unknown size cost nothing here. */
export function costOf(
  { promptTokens, completionTokens }: Pick<TokenUsage, 'promptTokens' | 'completionTokens'>,
  price: Judge['price'],
): number | null {
  return price ? (promptTokens * price.input + completionTokens * price.output) / 1e6 : null
}

/** Why a judge may not be asked any more; null while it may. */
export function spentBudget({ id, budget }: Pick<Judge, 'id' | 'budget'>, spent: Spent): GavelError | null {
  const { tokens = Infinity, cost = Infinity } = budget ?? {}
  if (spent.tokens < tokens && spent.cost < cost) return null
  const over = spent.tokens >= tokens ? `${tokens} tokens` : `${cost} US dollars`
  const message = `the judge has spent its budget of ${over}; raise it with PUT /v1/judges/${id}/budget, or use another judge`
  return new GavelError('budget_spent', message)
}

/** The spending of some usage. */
export const spentOn = (
  usage: Pick<TokenUsage, 'promptTokens' | 'completionTokens'>,
  price: Judge['price'],
): Spent => ({
  tokens: usage.promptTokens + usage.completionTokens,
  cost: costOf(usage, price) ?? 0,
})

/**
 * A client that stops asking once its judge has spent its budget: what is left over gets an error each. Spending is
 * looked at before each round of `concurrency` calls, so a budget is overrun by one round at most (and by those of
 * other requests at the same time).
 *
 * @param spend adds to what was spent and answers the sum
 * @param onSpent told once where something is left over
 */
export function budgeted(
  client: JudgeClient,
  judge: Pick<Judge, 'id' | 'budget' | 'price' | 'concurrency'>,
  spend: (more: Spent) => Promise<Spent>,
  onSpent: (refusal: GavelError) => void,
): JudgeClient {
  if (!judge.budget) return client
  return {
    async firstTokenLogprobs(requests, signal) {
      const answers: Awaited<ReturnType<JudgeClient['firstTokenLogprobs']>> = []
      let spent = await spend({ tokens: 0, cost: 0 })
      while (answers.length < requests.length) {
        const refusal = spentBudget(judge, spent)
        if (refusal) {
          onSpent(refusal)
          return [...answers, ...requests.slice(answers.length).map(() => refusal)]
        }
        const round = requests.slice(answers.length, answers.length + judge.concurrency)
        const had = await client.firstTokenLogprobs(round, signal).catch((error: unknown) => {
          // What was answered before an abort is paid for, and given.
          if (!signal?.aborted || answers.length === 0) throw error
          return round.map(() => (error instanceof Error ? error : new Error(String(error))))
        })
        answers.push(...had)
        const more = spentOn(sumTokens(usageOf(had)), judge.price)
        // What was answered is paid for, and given, though it cannot be read what else was spent.
        const before = spent
        spent = await spend(more).catch(() => ({ tokens: before.tokens + more.tokens, cost: before.cost + more.cost }))
      }
      return answers
    },
  }
}

/** What answers took, and those that came to nothing. */
export const usageOf = (answers: readonly (FirstTokenLogprobs | Error)[]): TokenUsage[] =>
  answers.flatMap((answer) => (answer instanceof Error && !(answer instanceof JudgeFailure) ? [] : [answer.usage]))
