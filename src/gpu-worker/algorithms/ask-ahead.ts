import type { Judgment } from '../../core/judges/probability.ts'
import type { JudgeItem } from '../../core/judges/template.ts'
import { assessRows, JUDGE_ROLES, planAsks, type JudgeRole } from '../../core/rewards/reward-rows.ts'
import type { RewardItem, RewardRecipe } from '../../core/schemas/reward.ts'
import type { Completion } from '../rollout/generator.ts'
import type { RunContext } from './run-context.ts'

/** Whether asking ahead gains anything: a local judge would take the processor from what is going on. */
export const askedAhead = (recipe: RewardRecipe, { judgedElsewhere = false }: RunContext): boolean =>
  // A random control asks nobody, and programs are run once, when all are there.
  judgedElsewhere && recipe.control?.kind !== 'random' && recipe.verifier !== 'program'

/**
 * Lets the judges of a step answer while it goes on: what is known to be wanted is asked at once, one call a role at a
 * time, and what comes up meanwhile goes into the next. Nothing is asked twice.
 */
export class AskAhead {
  private readonly judge: RunContext['judge']
  private readonly roles = { judge: new Ahead(), reranker: new Ahead() } satisfies Record<JudgeRole, Ahead>

  constructor(judge: RunContext['judge']) {
    this.judge = judge
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
    await Promise.all(
      JUDGE_ROLES.map((role) =>
        this.roles[role].want(
          asks[role].map(({ item }) => item),
          (items) => this.judge(items, role),
        ),
      ),
    )
  }

  /** As the judge itself: an outcome an item, in order. What has not been asked yet is asked in one call. */
  ask = (items: readonly JudgeItem[], role: JudgeRole): Promise<Judgment[]> =>
    this.roles[role].settle(items, (rest) => this.judge(rest, role))
}

type Ask = (items: JudgeItem[]) => Promise<Judgment[]>

/** What one judge is asked ahead. */
class Ahead {
  /** Answers that are there or on their way, by item; equal items have one each. */
  private readonly answers = new Map<string, Promise<Judgment>[]>()
  private wanted: JudgeItem[] = []
  /** While a call is under way, and for good after one that failed. */
  private busy = false
  private settled = false

  async want(items: readonly JudgeItem[], ask: Ask): Promise<void> {
    if (this.settled) return
    this.wanted.push(...items)
    if (this.busy) return
    this.busy = true
    while (this.wanted.length) {
      const now = this.wanted.splice(0)
      const answers = ask(now)
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

  async settle(items: readonly JudgeItem[], ask: Ask): Promise<Judgment[]> {
    this.settled = true
    this.wanted = []
    const ahead = items.map((item) => this.answers.get(JSON.stringify(item))?.shift())
    const rest = items.filter((_, i) => !ahead[i])
    const asked = rest.length ? ask(rest) : Promise.resolve([])
    let next = 0
    const answerOfRest = (i: number) => asked.then((all) => all[i]!)
    return Promise.all(ahead.map((answer) => answer ?? answerOfRest(next++)))
  }
}
