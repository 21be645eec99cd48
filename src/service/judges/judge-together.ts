import { GavelError } from '../../core/errors.ts'
import type { ScoredItem } from '../../core/judges/score-items.ts'
import type { JudgeItem } from '../../core/judges/template.ts'
import { WorkBudget } from '../../core/work-budget.ts'
import type { Deps } from '../deps.ts'
import { askJudge, type Asking } from './ask-judge.ts'

/** Most items that wait for each other. */
const MAX_TOGETHER = 256

interface Waiting {
  items: JudgeItem[]
  resolve(scored: ScoredItem[]): void
  reject(error: unknown): void
}

/** Who waits, by key and judge, of each app in the process. */
const WAITING = new WeakMap<Deps, Map<string, Waiting[]>>()

/**
 * Has a judge score a few items together with those of other requests that come within `deps.judgeWindowMs`: clients
 * that send one sample a request would else make one call each. Answers to one question stand side by side, so that a
 * model that shares prefixes can. A caller that hangs up stops nobody; what was asked for it is in the cache.
 *
 * @throws GavelError as askJudge
 */
export async function judgeTogether(
  deps: Deps,
  asking: Asking,
  judge: string,
  param: string,
  items: JudgeItem[],
): Promise<ScoredItem[]> {
  // Others' work, too, where they are asked together: it has a budget of its own.
  const ask = async (all: JudgeItem[]) => {
    const work = new WorkBudget(deps.turns, null, asking.tenant)
    return (await askJudge(deps, asking, judge, param, all, { work })).scored
  }
  // At the edge requests share nothing: one may not wait for what another asks.
  if (deps.judgeWindowMs === 0) return ask(items)

  const waiting = WAITING.get(deps) ?? new Map<string, Waiting[]>()
  WAITING.set(deps, waiting)
  const key = `${asking.tenant}\n${asking.key}\n${judge}`
  const start = async () => {
    const batch = waiting.get(key) ?? []
    waiting.delete(key)
    try {
      share(batch, await ask(sortedByQuestion(batch)))
    } catch (error) {
      // What a budget does not allow for together it may allow for one by one.
      const isTooMuch = error instanceof GavelError && (error.code === 'budget_spent' || error.code === 'too_large')
      if (isTooMuch && batch.length > 1) for (const one of batch) await ask(one.items).then(one.resolve, one.reject)
      else for (const { reject } of batch) reject(error)
    }
  }
  return new Promise<ScoredItem[]>((resolve, reject) => {
    const batch = waiting.get(key) ?? []
    batch.push({ items, resolve, reject })
    if (batch.length === 1) {
      waiting.set(key, batch)
      setTimeout(() => {
        if (waiting.get(key) === batch) void start()
      }, deps.judgeWindowMs)
    }
    if (batch.reduce((count, { items }) => count + items.length, 0) >= MAX_TOGETHER) void start()
  })
}

/** All items in order of their question, and where each stood among them all. */
function order(batch: readonly Waiting[]): { place: number; item: JudgeItem }[] {
  const all = batch.flatMap(({ items }) => items).map((item, place) => ({ place, item }))
  return all.sort((a, b) => (a.item.question < b.item.question ? -1 : a.item.question > b.item.question ? 1 : 0))
}

const sortedByQuestion = (batch: readonly Waiting[]) => order(batch).map(({ item }) => item)

/** Gives each request what belongs to its items. */
function share(batch: readonly Waiting[], scored: readonly ScoredItem[]): void {
  const all: ScoredItem[] = []
  order(batch).forEach(({ place }, i) => (all[place] = scored[i]!))
  let from = 0
  for (const { items, resolve } of batch) resolve(all.slice(from, (from += items.length)))
}
