import { GavelError } from '../errors.ts'
import type { Verdict } from '../schemas/verify.ts'
import type { WorkBudget } from '../work-budget.ts'
import type { Verifier } from './verifier.ts'

interface Item {
  text: string
  gold: string
}

/**
 * Verdicts of items, in order.
 * @throws GavelError naming which item's gold cannot be compared with; by the budget `too_large` or `busy`
 */
export const verifyItems = (verifier: Verifier, items: readonly Item[], work: WorkBudget): Promise<Verdict[]> =>
  work.map(
    items,
    (i) => `items[${i}]`,
    (item, i) => verifyItem(verifier, item, i),
  )

async function verifyItem(verifier: Verifier, item: Item, index: number): Promise<Verdict> {
  try {
    return await verifier.verify(item)
  } catch (error) {
    if (!(error instanceof GavelError) || error.param !== 'gold') throw error
    const param = `items[${index}].gold`
    throw new GavelError(error.code, `\`${param}\`: ${error.message}`, { param })
  }
}
