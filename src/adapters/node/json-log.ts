import { describeError, type RequestEntry, type RequestLog } from '../../service/request-log.ts'

/** Lines wait so long, or until there are so many characters of them; in ms. */
const FLUSH_MS = 100
const MAX_WAITING = 64 * 1024

export interface JsonLog extends RequestLog {
  /** A failure of ours, with its stack. */
  error(error: unknown, requestId: string): void
  /** Writes what waits. */
  flush(): void
}

/** A log of one JSON object a line. Lines of requests are written a few at a time; errors at once. */
export function jsonLog(options: {
  write: (text: string) => void
  /** Whether requests are told, or only errors. */
  requests: boolean
  bodies: boolean
}): JsonLog {
  const { write, requests, bodies } = options
  let waiting = ''
  let timer: NodeJS.Timeout | undefined
  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    if (waiting) write(waiting)
    waiting = ''
  }
  const line = (level: 'info' | 'error', fields: object) => {
    waiting += `${JSON.stringify({ time: new Date().toISOString(), level, ...fields })}\n`
    if (level === 'error' || waiting.length > MAX_WAITING) flush()
    else timer ??= setTimeout(flush, FLUSH_MS).unref()
  }
  return {
    bodies,
    request(entry: RequestEntry) {
      if (requests) line('info', { message: 'request', ...entry })
    },
    error(error, requestId) {
      line('error', { message: 'failure', request_id: requestId, error: describeError(error) })
    },
    flush,
  }
}
