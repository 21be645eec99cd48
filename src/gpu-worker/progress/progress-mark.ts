import { openSync, writeSync } from 'node:fs'

/** What a job's process is at, as its parent is told; where it stands is the number that is kept. */
export const PHASES = ['starting', 'opening', 'row', 'own work', 'computing', 'writing'] as const
export type Phase = (typeof PHASES)[number]
/** Those that take long of themselves. */
export type LongPhase = 'computing' | 'writing'
export const LONG_PHASES: ReadonlySet<Phase> = new Set<LongPhase>(['computing', 'writing'])

/** How often it has told, the phase's number, and which row of the data it is at (from 1). */
const mark = new Float64Array(3)
export const MARK_BYTES = mark.byteLength
const bytes = new Uint8Array(mark.buffer)
let file: number | null = null
/** How many long ones are under way. */
let long = 0

/**
 * From here on, this process writes what it is at to a file. A file, since nothing else gets out of a process whose event
 * loop is blocked: the parent must know what it was at when it last got on. Without this call nothing is written.
 */
export function tellProgressTo(path: string): void {
  file = openSync(path, 'w')
  note('starting')
}

/** Tells that this process has got on, and what it is at now. Costs one small write. */
export function note(phase: Phase = phaseNow(), row = phase === 'row' ? mark[2]! : 0): void {
  mark[0]!++
  // What is long may be under way beside the rest, and blocks it.
  if (long === 0 || LONG_PHASES.has(phase)) {
    mark[1] = PHASES.indexOf(phase)
    mark[2] = row
  }
  if (file !== null) writeSync(file, bytes, 0, MARK_BYTES, 0)
}

/** Does something long of which nothing is heard until it is over, and then goes on with its own work. */
export async function during<T>(phase: LongPhase, work: () => T | Promise<T>): Promise<T> {
  long++
  note(phase)
  try {
    return await work()
  } finally {
    long--
    note(long === 0 ? 'own work' : undefined)
  }
}

const phaseNow = (): Phase => PHASES[mark[1]!]!
