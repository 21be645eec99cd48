import type { Spent } from '../database.ts'
import { GavelError } from '../errors.ts'
import type { JudgeClient } from '../ports.ts'
import type { ScoredItem } from './score.ts'
import type { Judge } from '../schemas/judge.ts'

/** What tokens cost, in US dollars; null without a price. */
export function costOf({ promptTokens, completionTokens }: ScoredItem['usage'], price: Judge['price']): number | null {
  return price ? (promptTokens * price.input + completionTokens * price.output) / 1e6 : null
}

/**
 * A client that stops asking once its judge has spent its budget: what is left over gets an error each. Spending is
 * looked at before each round of `concurrency` calls, so a budget is overrun by one round at most (and by those of
 * other requests at the same time).
 *
 * @param spend adds to what was spent and answers the sum
 */
export function budgeted(
  client: JudgeClient,
  { budget, price, concurrency }: Pick<Judge, 'budget' | 'price' | 'concurrency'>,
  spend: (more: Spent) => Promise<Spent>,
): JudgeClient {
  if (!budget) return client
  const { tokens = Infinity, cost = Infinity } = budget
  return {
    async firstTokenLogprobs(requests, signal) {
      const answers: Awaited<ReturnType<JudgeClient['firstTokenLogprobs']>> = []
      let spent = await spend({ tokens: 0, cost: 0 })
      while (answers.length < requests.length) {
        const round = requests.slice(answers.length, answers.length + concurrency)
        if (spent.tokens >= tokens || spent.cost >= cost) {
          const over = spent.tokens >= tokens ? `${tokens} tokens` : `${cost} US dollars`
          const reason = `the judge has spent its budget of ${over}; create a version with a larger one`
          answers.push(...round.map(() => new GavelError('rate_limited', reason)))
          continue
        }
        const had = await client.firstTokenLogprobs(round, signal)
        answers.push(...had)
        const used = had.flatMap((answer) => (answer instanceof Error ? [] : [answer.usage]))
        const prompt = used.reduce((sum, { promptTokens }) => sum + promptTokens, 0)
        const completion = used.reduce((sum, { completionTokens }) => sum + completionTokens, 0)
        spent = await spend({
          tokens: prompt + completion,
          cost: costOf({ promptTokens: prompt, completionTokens: completion }, price) ?? 0,
        })
      }
      return answers
    },
  }
}
