/** Between a sandbox and its process. */
export interface SandboxCall {
  id: number
  /** JSON of a `ProgramCall`. */
  request: string
}

/** The first one, with id 0, says that the process is ready. */
export interface SandboxReply {
  id: number
  /** JSON of a `ProgramOutcome`, unless the program meddled with what writes it. */
  answer: string
  /** The process ends now: another is to be started for the next call. */
  spent: boolean
}
