/** What is told of a request when it is answered. Nothing that a user wrote is in it but ids, unless `bodies` was asked for. */
export interface RequestEntry {
  request_id: string
  method: string
  /** As declared: `/v1/jobs/:id`. Null where there is no such route. */
  route: string | null
  status: number
  /** Until the answer began. */
  ms: number
  tenant: string | null
  /** Id of the key; empty for the operator's bootstrap key. */
  key: string | null
  /** Code and field of the error that was answered. */
  error?: string
  param?: string | null
  /** What was sent to be scored. */
  body?: unknown
}

export interface RequestLog {
  /** Whether the bodies of requests that score are told too, for finding out what a trainer sends. */
  bodies: boolean
  request(entry: RequestEntry): void
}

/** An error and its causes, without the values that a query was made with: they are what users wrote. */
export function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { name: typeof error }
  const { name, message, stack = '', cause } = error
  const said = withoutParameters(message)
  // The stack repeats the message, parameters and all, and they may look like frames.
  const at = stack.indexOf(message)
  const frames = at < 0 ? '' : stack.slice(at + message.length).replace(/^\n/, '')
  return { name, message: said, stack: frames, ...(cause !== undefined && { cause: describeError(cause) }) }
}

/** Drizzle's messages end with the parameters of the query. */
const withoutParameters = (message: string) => message.replace(/\nparams: [^]*$/, '')
