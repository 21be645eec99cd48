import {
  bestBefore,
  detectHacking,
  forgetOldest,
  growthSince,
  type CanaryPoint,
  type CanaryRow,
  type HackingVerdict,
} from '../../core/rl/detect-hacking.ts'
import type { CanaryLook } from './ask-canary.ts'
import type { RunState } from './run-context.ts'

/** Most rows of a canary that are compared one by one with themselves at the first look; they go into every checkpoint. */
const MOST_PAIRED = 10_000

/** The looks at a run's canary so far, and what they say of its judge. */
export class CanaryWatch {
  readonly history: CanaryPoint[]
  /** The rows of the first look. */
  private first: CanaryRow[] | null

  constructor(state: RunState | undefined) {
    this.history = [...((state?.canary ?? []) as CanaryPoint[])]
    const saved = state?.canary_first as [number | null, CanaryRow['verdict']][] | undefined
    this.first = saved ? saved.map(([believed, verdict]) => ({ believed, verdict })) : null
  }

  /** Whether the judge is being fooled, now that there is another look. */
  take({ rows, ...point }: CanaryLook): HackingVerdict {
    // As a checkpoint keeps them, so that a run that goes on from one compares with the same numbers.
    const kept = rows.slice(0, MOST_PAIRED).map(({ believed, verdict }) => ({
      believed: believed && Math.round(believed * 1e4) / 1e4,
      verdict,
    }))
    this.history.push({ ...point, ...(this.first && { since_first: growthSince(this.first, kept) }) })
    this.first ??= kept
    forgetOldest(this.history)
    return detectHacking(this.history)
  }

  /** Whether the newest look is the first, or gold never stood so high before. */
  get isBest(): boolean {
    const { history } = this
    return history.length === 1 || history.at(-1)!.gold > bestBefore(history).gold
  }

  /** Of another judge nothing is known yet. */
  beginAnew(): void {
    this.history.length = 0
    this.first = null
  }

  /** What a checkpoint keeps of it. */
  state(): RunState {
    const first = this.first?.map(({ believed, verdict }) => [believed, verdict])
    return { canary: this.history, ...(first && { canary_first: first }) }
  }
}
