/** How long a store may be silent in the middle of an exchange, in ms. */
const IDLE_MS = 20_000
/** How long it may think once everything is sent, in ms. */
const ANSWER_MS = 30_000
/** Pieces that are sent at a time: each that is taken is a sign of life. */
const PIECE = 65_536

/** Nothing came, or nothing was taken, for too long. (A TypeError is what fetch throws where a connection breaks.) */
export class Silence extends TypeError {
  constructor(ms: number) {
    super(`it was silent for ${ms / 1000} s`)
  }
}

/**
 * A fetch that takes as long as it takes, but gives up where nothing moves: no answer begins, no piece of one comes, none of
 * what is sent is taken. Rejects, or breaks the body off, with {@link Silence}.
 * @param bytes what is to be sent; its length is said beforehand, as stores want it
 */
export async function fetchWithin(
  send: typeof fetch,
  url: string,
  init: RequestInit & { headers: Record<string, string> },
  bytes?: Uint8Array<ArrayBuffer>,
  { idleMs = IDLE_MS, answerMs = ANSWER_MS } = {},
): Promise<Response> {
  const silent = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const expect = (ms: number) => {
    clearTimeout(timer)
    timer = setTimeout(() => silent.abort(new Silence(ms)), ms)
    timer.unref()
  }
  const signal = init.signal ? AbortSignal.any([init.signal, silent.signal]) : silent.signal
  const sending = bytes && {
    headers: { ...init.headers, 'content-length': String(bytes.length) },
    body: bytes.length === 0 ? bytes : inPieces(bytes, (isLast) => expect(isLast ? answerMs : idleMs)),
    duplex: 'half' as const,
  }
  expect(bytes ? idleMs : answerMs)
  try {
    const response = await send(url, { ...init, ...sending, signal })
    if (!response.body) return response
    const body = watched(response.body, () => expect(idleMs), () => clearTimeout(timer)) // prettier-ignore
    const { status, statusText, headers } = response
    return Object.defineProperty(new Response(body, { status, statusText, headers }), 'url', { value: response.url })
  } catch (error) {
    throw silent.signal.aborted ? (silent.signal.reason as Silence) : error
  } finally {
    clearTimeout(timer)
  }
}

function inPieces(bytes: Uint8Array<ArrayBuffer>, onTaken: (isLast: boolean) => void): ReadableStream {
  let from = 0
  return new ReadableStream(
    {
      pull(controller) {
        controller.enqueue(bytes.subarray(from, (from += PIECE)))
        onTaken(from >= bytes.length)
        if (from >= bytes.length) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}

/** A body whose reader waits for each piece only so long. */
function watched(body: ReadableStream<Uint8Array>, onWait: () => void, onPiece: () => void): ReadableStream {
  const reader = body.getReader()
  return new ReadableStream(
    {
      async pull(controller) {
        onWait()
        try {
          const { value, done } = await reader.read()
          if (done) controller.close()
          else controller.enqueue(value)
        } finally {
          onPiece()
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
