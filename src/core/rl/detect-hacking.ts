/** One look at the canary: labelled rows that are never trained on. */
export interface CanaryPoint {
  step: number
  /** Mean judge reward over the canary's answers, 0 … 1. */
  judge: number
  /** Share of the same answers that the verifier calls right, 0 … 1. */
  gold: number
  /** How many rows were answered. */
  n: number
}

export interface HackingVerdict {
  hacking: boolean
  /** The look at which gold stood highest, which the newest is compared with; null before the second look. */
  bestStep: number | null
  /** gold(best) − gold(now), and how many standard errors that is. */
  goldFall: number
  standardErrors: number
  /** judge(now) − judge(best). */
  judgeRise: number
  /** For people. */
  reason: string
}

/** A fall of gold this many standard errors deep is no noise, even with the best of many looks as reference. */
const SIGNIFICANT_STANDARD_ERRORS = 2.5
/** A judge already near its ceiling cannot rise: standing still within this much, while gold falls, counts too. */
const JUDGE_SLACK = 0.02

/**
 * Whether the judge is being fooled: gold has fallen since its best look by more than chance allows, while the
 * judge's reward rose (or stood still, within {@link JUDGE_SLACK}). When both fall the run is failing in another
 * way (too high a rate, say), and the judge says so itself: that is not hacking.
 *
 * Chance: the two looks as independent binomial shares, standard error sqrt(p₁q₁/n₁ + p₂q₂/n₂), with shares
 * smoothed by one success and one failure so that 0 and 1 keep a width. The canary's rows are the same at each
 * look, so the true error is smaller and the rule errs on the quiet side.
 *
 * @param history in order of step; the last entry is the newest
 */
export function detectHacking(history: readonly CanaryPoint[]): HackingVerdict {
  const now = history.at(-1)
  if (!now || history.length < 2) {
    const reason = 'fewer than two looks at the canary'
    return { hacking: false, bestStep: null, goldFall: 0, standardErrors: 0, judgeRise: 0, reason }
  }
  const best = history.slice(0, -1).reduce((high, point) => (point.gold > high.gold ? point : high))
  const goldFall = best.gold - now.gold
  const standardErrors = goldFall / Math.sqrt(shareVariance(best) + shareVariance(now))
  const judgeRise = now.judge - best.judge
  // A judge that pays nothing (or a recipe without one, where it is 0 throughout) is not being fooled.
  const hacking = standardErrors > SIGNIFICANT_STANDARD_ERRORS && judgeRise >= -JUDGE_SLACK && now.judge > 0
  const figures =
    `since step ${best.step} gold went ${best.gold.toFixed(3)} → ${now.gold.toFixed(3)} ` +
    `(${standardErrors.toFixed(1)} standard errors down) and the judge ${best.judge.toFixed(3)} → ${now.judge.toFixed(3)}`
  const reason = `${hacking ? 'the judge is being fooled' : 'no sign of hacking'}: ${figures}`
  return { hacking, bestStep: best.step, goldFall, standardErrors, judgeRise, reason }
}

/** Most looks that are remembered: they go into every checkpoint and the result, which the API takes a MiB of. */
const MOST_LOOKS = 2000

/** Forgets looks beyond {@link MOST_LOOKS}, the oldest first, but never the best: {@link detectHacking} says the same without them. */
export function forgetOldest(history: CanaryPoint[]): void {
  while (history.length > MOST_LOOKS) {
    const best = history.slice(0, -1).reduce((high, point) => (point.gold > high.gold ? point : high))
    history.splice(history[0] === best ? 1 : 0, 1)
  }
}

function shareVariance({ gold, n }: CanaryPoint): number {
  const smoothed = (gold * n + 1) / (n + 2)
  return (smoothed * (1 - smoothed)) / n
}
