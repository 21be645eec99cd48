/** What can be seen of a small whole run. */
import { openFolder } from '../../src/gpu-worker/models/source.ts'
import type { JobRun } from './run-job.ts'

/** A metric's values, step by step. */
export const column = ({ metrics }: JobRun, name: string): number[] =>
  metrics.flatMap(({ values }) => values[name] ?? [])

/** A clock on which one second passes up to its second reading, two more up to the third, and so on. */
export function slowingClock() {
  let [now, readings] = [0, 0]
  return { now: () => (now += 1000 * readings++) }
}

/** The metrics that are times, step by step. */
export const secondsOf = ({ metrics }: JobRun) =>
  metrics.map(({ values }) =>
    Object.fromEntries(Object.entries(values).filter(([name]) => name.startsWith('seconds/'))),
  )

/**
 * Settings with which the first update moves a parameter by the learning rate, whatever its gradient is: AdamW's first
 * step is the gradient over its own size.
 */
export const FIRST_STEP_IS_THE_RATE = { adam_epsilon: 1e-16, clip_norm: 0, weight_decay: 0, checkpoint_every: 1 }

/** How far the parameter that moved farthest until the first checkpoint has moved from where it was in `model`. */
export function farthestMove({ checkpoints }: JobRun, model: string): number {
  const before = openFolder(model).weights
  const after = openFolder(checkpoints[0]!.folder).weights
  const moves = [...after].map(([name, { data }]) => {
    const from = before.get(name)!.data
    return data.reduce((far, x, i) => Math.max(far, Math.abs(x - from[i]!)), 0)
  })
  return Math.max(...moves)
}
