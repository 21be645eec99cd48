/** The share of the peak rate, 0 … 1, once `progress` (0 at the end of the warm-up, below 1 at the last step) is made. */
type Decay = (progress: number) => number

export const SCHEDULES = {
  constant: () => 1,
  linear: (progress) => 1 - progress,
  cosine: (progress) => (1 + Math.cos(Math.PI * progress)) / 2,
} satisfies Record<string, Decay>

export type ScheduleName = keyof typeof SCHEDULES

/**
 * The learning rate of a step, in the unit of `peak`. Steps count from 0. The warm-up is linear and its first
 * step is not wasted on a rate of zero: step s of w uses peak · (s + 1) / w. The decay reaches zero one step
 * after the last, so the last step still learns.
 */
export function learningRateAt(
  step: number,
  options: { schedule: ScheduleName; peak: number; warmupSteps: number; totalSteps: number },
): number {
  const { schedule, peak, warmupSteps, totalSteps } = options
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps
  const decaySteps = Math.max(1, totalSteps - warmupSteps)
  return peak * SCHEDULES[schedule](Math.min(1, (step - warmupSteps) / decaySteps))
}
