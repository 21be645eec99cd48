import type { Deps } from '../../service/deps.ts'
import { isTerminal } from '../../service/jobs/transitions.ts'

/**
 * How long a stream is silent, in ms. Then a comment is sent, lest something between us and the reader hangs up, and it is
 * asked whether the reader may still read.
 */
const KEEP_ALIVE_MS = 15_000
const PAGE = 100

/**
 * A job's events as server-sent events: `id` is the sequence number, `data` the event as JSON. Ends with
 * `data: [DONE]` when the job has ended, and without where the reader may read no more.
 * @param after the last event that the reader has
 * @param mayRead whether the reader's key still holds
 * @throws GavelError `not_found` when `after` is no event's id
 */
export async function streamEvents(
  deps: Deps,
  job: string,
  after: string | undefined,
  signal: AbortSignal,
  mayRead: () => Promise<boolean>,
): Promise<Response> {
  const { database, bell, clock } = deps
  const encoder = new TextEncoder()
  // Once the stream has begun, a bad cursor could no longer be said.
  await database.jobs.events(job, { after, limit: 1 })

  let isRead = true
  let stop = () => {}
  async function* messages(): AsyncGenerator<string, void, void> {
    const news = bell.listen(job)
    stop = news.close
    let cursor = after
    let lastSent = clock.now()
    let lastAsked = lastSent
    try {
      while (isRead && !signal.aborted) {
        // Read the state first: events that come between the two reads are then seen by the next turn.
        const row = await database.jobs.get(job)
        const { rows, more } = await database.jobs.events(job, { after: cursor, limit: PAGE })
        for (const event of rows) yield `id: ${event.id}\nevent: ${event.object}\ndata: ${JSON.stringify(event)}\n\n`
        cursor = rows.at(-1)?.id ?? cursor
        if (rows.length > 0) lastSent = clock.now()
        if (more) continue
        if (!row || isTerminal(row.state)) {
          yield 'data: [DONE]\n\n'
          return
        }
        if (clock.now() - lastAsked >= KEEP_ALIVE_MS) {
          if (!(await mayRead())) return
          lastAsked = clock.now()
        }
        if (clock.now() - lastSent >= KEEP_ALIVE_MS) {
          lastSent = clock.now()
          yield ': still here\n\n'
        }
        await news.next(KEEP_ALIVE_MS)
      }
    } finally {
      news.close()
    }
  }

  const source = messages()
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await source.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    cancel() {
      isRead = false
      stop()
    },
  })
  return new Response(body, {
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' },
  })
}
