/** To a sandbox's process: run this, or stop running it. */
export type SandboxOrder =
  /** `request`: JSON of a `ProgramCall`. */
  { id: number; request: string } | { id: number; request: null }

/** From a sandbox's process, once an order; the first one, with id 0, says that it is ready. */
export interface SandboxReply extends ThreadReply {
  id: number
}

/** From the thread that runs programs; the first one says that it is ready. */
export interface ThreadReply {
  /** JSON of a `ProgramOutcome`, unless the program meddled with what writes it; null where it is no text. */
  answer: string | null
  /** Whether the interpreter ended before it answered. */
  down: boolean
}
