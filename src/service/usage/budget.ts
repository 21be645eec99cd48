import { GavelError } from '../../core/errors.ts'
import type { UsageCounts } from '../../core/judges/usage-counts.ts'
import type { KeyBudget } from '../../core/schemas/key.ts'
import type { Payer } from '../database.ts'
import type { Ledger } from './ledger.ts'
import { dayOf } from './usage-id.ts'

/** What a budget may cap, and how much of it was used. What was known from before costs nothing. */
const USED = {
  items: ({ items, cached }) => items - cached,
  tokens: ({ promptTokens, completionTokens }) => promptTokens + completionTokens,
  cost: ({ cost }) => cost,
} satisfies Record<Exclude<keyof KeyBudget, 'per'>, (used: UsageCounts) => number>

/** The first day of the period that a time is in, and when the next one begins (ms). Days and months are UTC's. */
const PERIODS = {
  day: (now) => ({ first: dayOf(now), ends: Date.parse(dayOf(now)) + 86_400_000 }),
  month(now) {
    const date = new Date(now)
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
    return { first: dayOf(Date.UTC(year, month)), ends: Date.UTC(year, month + 1) }
  },
} satisfies Record<KeyBudget['per'], (now: number) => { first: string; ends: number }>

/**
 * Lets a payer have so many more items judged, and reserves them in the database until the returned function is called. Items
 * are known beforehand, so that a budget of items is never exceeded, however many processes serve the key; tokens and cost
 * are known only afterwards, so that those may be exceeded by what is under way when they run out.
 *
 * @throws GavelError `budget_spent`, with the seconds until the budget is renewed, when it does not allow for them;
 *   `too_large` when it never would
 */
export async function takeFromBudget(
  ledger: Ledger,
  payer: Payer,
  budget: KeyBudget | undefined,
  items: number,
  now: number,
): Promise<() => void> {
  if (!budget) return () => {}
  refuseBeyond(budget, payer, items)
  const { first, ends } = PERIODS[budget.per](now)
  const release = await ledger.reserve(payer, budget, items, first)
  if (release) return release
  const used = await ledger.spent(payer, first)
  const caps = Object.entries(USED).flatMap(([what, usedOf]) => {
    const cap = budget[what as keyof typeof USED]
    return cap === undefined ? [] : [{ what, cap, before: usedOf(used) }]
  })
  // Where what kept it from being reserved has ended meanwhile, it is the first that is said.
  const over = caps.find(({ what, cap, before }) => (what === 'items' ? before + items > cap : before >= cap))
  const { what, cap, before } = over ?? caps[0]!
  const unit = what === 'cost' ? 'US dollars' : what
  const renewed = `It is renewed at ${new Date(ends).toISOString()}`
  const message =
    payer.job === undefined
      ? `The budget of this key is ${cap} ${unit} a ${budget.per}; ${before} are used or under way, and this request brings ${items} items. ${renewed}; use another key until then, or send less.`
      : `The budget of the key that made this job is ${cap} ${unit} a ${budget.per}; ${before} are used or under way, and ${items} more answers are to be judged. ${renewed}; resume the job then, and it goes on from its last checkpoint.`
  throw new GavelError('budget_spent', message, { retryAfter: Math.ceil((ends - now) / 1000) })
}

/**
 * @param rows how many a request has, where several judges see them: `items` counts a row once for each
 * @throws GavelError `too_large` for more items at once than a budget ever allows for: no wait would help
 */
export function refuseBeyond(budget: KeyBudget | undefined, { job }: Payer, items: number, rows = items): void {
  if (budget?.items === undefined || items <= budget.items) return
  const { items: cap, per } = budget
  const judges = Math.ceil(items / rows)
  const most = Math.floor(cap / judges)
  const brings = judges > 1 ? `${items} items before judges, its ${rows} before up to ${judges} each` : `${items} items before judges` // prettier-ignore
  const split = most > 0 ? `Split it into requests of at most ${most}, or use` : 'Use'
  const message =
    job === undefined
      ? `The request brings ${brings}, and the budget of this key is ${cap} items a ${per}: it can never pass. ${split} a key with a larger budget.`
      : `The job brings ${items} answers before judges at once, and the budget of the key that made it is ${cap} items a ${per}: it can never go on. Make the job anew with a key that has a larger budget, or with fewer answers a step.`
  throw new GavelError('too_large', message, { param: 'body' })
}
