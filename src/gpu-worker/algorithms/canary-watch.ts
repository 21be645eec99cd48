import {
  detectHacking,
  forgetOldest,
  gapGrowth,
  type CanaryPoint,
  type HackingVerdict,
} from '../../core/rl/detect-hacking.ts'
import type { CanaryLook } from './ask-canary.ts'
import type { RunState } from './run-context.ts'

/** Most rows of a canary that are compared one by one with themselves at the first look; they go into every checkpoint. */
const MOST_PAIRED = 10_000

/** The looks at a run's canary so far, and what they say of its judge. */
export class CanaryWatch {
  readonly history: CanaryPoint[]
  /** By row of the first look, judge − gold to four places; null where the judge said nothing. */
  private first: (number | null)[] | null

  constructor(state: RunState | undefined) {
    this.history = [...((state?.canary ?? []) as CanaryPoint[])]
    this.first = (state?.canary_first ?? null) as (number | null)[] | null
  }

  /** Whether the judge is being fooled, now that there is another look. */
  take({ gaps, ...point }: CanaryLook): HackingVerdict {
    const rounded = gaps.slice(0, MOST_PAIRED).map((gap) => gap && Math.round(gap * 1e4) / 1e4)
    const gap = this.first && gapGrowth(this.first, rounded)
    this.first ??= rounded
    this.history.push({ ...point, ...(gap && { gap }) })
    forgetOldest(this.history)
    return detectHacking(this.history)
  }

  /** Whether the newest look is the first, or gold never stood so high before. */
  get isBest(): boolean {
    const before = this.history.slice(0, -1)
    return before.every(({ gold }) => gold < this.history.at(-1)!.gold)
  }

  /** Of another judge nothing is known yet. */
  beginAnew(): void {
    this.history.length = 0
    this.first = null
  }

  /** What a checkpoint keeps of it. */
  state(): RunState {
    return { canary: this.history, ...(this.first && { canary_first: this.first }) }
  }
}
