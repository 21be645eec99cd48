import type { Judgment } from '../../core/judges/probability.ts'
import type { JudgeItem } from '../../core/judges/template.ts'
import { assessRows, JUDGE_ROLES, planAsks, type JudgeRole } from '../../core/rewards/reward-rows.ts'
import type { RewardItem, RewardRecipe } from '../../core/schemas/reward.ts'
import type { Completion } from '../rollout/generator.ts'
import type { RunContext } from './run-context.ts'

/** Whether asking ahead gains anything: a local judge would take the processor from what is going on. */
export const isPrefetched = (recipe: RewardRecipe, { judgedElsewhere = false }: RunContext): boolean =>
  // A random control asks nobody, and programs are run once, when all are there.
  judgedElsewhere && recipe.control?.kind !== 'random' && recipe.verifier !== 'program'

/**
 * Lets the judges of a step answer while it goes on: what is known to be wanted is asked at once, one call a role at a
 * time, and what comes up meanwhile goes into the next. Nothing is asked twice.
 */
export class JudgePrefetch {
  private readonly roles: Record<JudgeRole, Ahead>

  constructor(judge: RunContext['judge']) {
    const ahead = (role: JudgeRole) => new Ahead((items) => judge(items, role))
    this.roles = { judge: ahead('judge'), reranker: ahead('reranker') }
  }

  /**
   * For a generator to tell of completions that are done: asks about a prompt's answers once all of them are there.
   * What fails is left to {@link ask}, which meets it again.
   */
  whenDone(recipe: RewardRecipe, groupSize: number, itemOf: (completion: Completion, place: number) => RewardItem) {
    const groups = new Map<number, RewardItem[]>()
    return (completion: Completion, place: number): void => {
      const group = Math.floor(place / groupSize)
      const items = [...(groups.get(group) ?? []), itemOf(completion, place)]
      groups.set(group, items)
      if (items.length === groupSize) this.prepare(recipe, items).catch(() => {})
    }
  }

  private async prepare(recipe: RewardRecipe, items: readonly RewardItem[]): Promise<void> {
    const asks = planAsks(recipe, items, await assessRows(recipe, items))
    await Promise.all(JUDGE_ROLES.map((role) => this.roles[role].want(asks[role].map(({ item }) => item))))
  }

  /** As the judge itself: an outcome an item, in order. What has not been asked yet is asked in one call. */
  ask = (items: readonly JudgeItem[], role: JudgeRole): Promise<Judgment[]> => this.roles[role].settle(items)
}

type Ask = (items: JudgeItem[]) => Promise<Judgment[]>

/** What one judge is asked ahead. */
class Ahead {
  private readonly ask: Ask
  /** Answers that are there or on their way, by item; equal items have one each. */
  private readonly answers = new Map<string, Promise<Judgment>[]>()
  private wanted: JudgeItem[] = []
  /** While a call is under way, and for good after one that failed. */
  private busy = false
  private settled = false

  constructor(ask: Ask) {
    this.ask = ask
  }

  async want(items: readonly JudgeItem[]): Promise<void> {
    if (this.settled) return
    this.wanted.push(...items)
    if (this.busy) return
    this.busy = true
    while (this.wanted.length) {
      const now = this.wanted.splice(0)
      const answers = this.ask(now)
      now.forEach((item, i) => {
        const answer = answers.then((all) => all[i]!)
        answer.catch(() => {}) // Whoever asks for it hears of it.
        const key = JSON.stringify(item)
        this.answers.set(key, [...(this.answers.get(key) ?? []), answer])
      })
      await answers
    }
    this.busy = false
  }

  async settle(items: readonly JudgeItem[]): Promise<Judgment[]> {
    this.settled = true
    this.wanted = []
    const ahead = items.map((item) => this.answers.get(JSON.stringify(item))?.shift())
    const rest = items.filter((_, i) => !ahead[i])
    const asked = rest.length ? this.ask(rest) : Promise.resolve([])
    let next = 0
    const answerOfRest = (i: number) => asked.then((all) => all[i]!)
    return Promise.all(ahead.map((answer) => answer ?? answerOfRest(next++)))
  }
}
