import type { PackedError } from '../../core/packed-error.ts'

/**
 * What a process and its parent say to each other. A call is a request that gets any number of parts and then one
 * result or error. `ready` and `refused` say how opening went.
 */
export interface Protocol {
  order: unknown
  request: unknown
  part: unknown
  result: unknown
  /** What the parent is told once the process is ready. */
  ready: unknown
}

export type ToChild<P extends Protocol> =
  | { type: 'open'; order: P['order']; progress: string | null }
  | { type: 'call'; call: number; request: P['request'] }
  | { type: 'cancel'; call: number }

export type FromChild<P extends Protocol> =
  | { type: 'ready'; ready: P['ready'] }
  | { type: 'refused'; error: PackedError }
  | { type: 'part'; call: number; part: P['part'] }
  | { type: 'done'; call: number; result: P['result'] }
  | { type: 'failed'; call: number; error: PackedError }
