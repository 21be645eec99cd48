/** What a job reports, cut to what the API takes: a report is for people to read, and nothing that a job should end by. */
import { GavelError } from '../../core/errors.ts'
import type { EventPost, MetricPoint, Sample } from '../../core/schemas/job.ts'

/** Most bytes of the rows of one post, as JSON; the API takes a MiB in all. */
const POST_BYTES = 800_000
/** Most rows of a post, and most numbers of a step in one row, that the API takes. */
const POST_ROWS = 1000
const POINT_VALUES = 256
/** Most bytes, as JSON, of a text of a sample, and of what goes with a sample or an event. */
const TEXT_BYTES = 100_000
const DATA_BYTES = 100_000
/** The API takes as many UTF-16 code units, of which none has less than a byte. */
const MESSAGE_BYTES = 4000

/** Bytes of a value as JSON in UTF-8. */
export const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value) ?? '')

/** Groups rows, in order, into posts of at most `bytes` bytes and `rows` rows; a row of more is a post of its own. */
export function inPosts<T>(items: readonly T[], { bytes = POST_BYTES, rows = POST_ROWS } = {}): T[][] {
  const posts: T[][] = []
  let held = Infinity
  for (const item of items) {
    const size = jsonBytes(item) + 1
    if (held + size > bytes || posts.at(-1)!.length >= rows) {
      posts.push([])
      held = 0
    }
    posts.at(-1)!.push(item)
    held += size
  }
  return posts
}

/**
 * A text of at most `most` bytes as JSON (quotes apart): one that has more keeps its beginning and its end, and says in
 * between how much is not there. Always valid Unicode; characters are never cut apart.
 * @param most in bytes, ≥ 100
 */
export function cutText(text: string, most: number): string {
  const sound = text.toWellFormed()
  if (jsonBytes(sound) - 2 <= most) return sound
  const characters = [...sound]
  const mark = (left: number) => `[… ${characters.length - left} of ${characters.length} characters are cut out here …]`
  const each = (most - Buffer.byteLength(mark(0))) / 2
  const [head, tail] = [countWithin(characters, each), countWithin(characters.toReversed(), each)]
  return characters.slice(0, head).join('') + mark(head + tail) + characters.slice(characters.length - tail).join('')
}

/** How many of the first characters have no more bytes as JSON. */
function countWithin(characters: readonly string[], most: number): number {
  let [count, bytes] = [0, 0]
  for (const character of characters) {
    bytes += jsonBytes(character) - 2
    if (bytes > most) break
    count++
  }
  return count
}

export const fitSample = (sample: Sample): Sample => ({
  ...sample,
  prompt: cutText(sample.prompt, TEXT_BYTES),
  completion: cutText(sample.completion, TEXT_BYTES),
  ...(typeof sample.answer === 'string' && { answer: cutText(sample.answer, TEXT_BYTES) }),
  ...(sample.terms && { terms: fitData(sample.terms) }),
})

export const fitEvent = (event: EventPost): EventPost => ({
  ...event,
  message: cutText(event.message, MESSAGE_BYTES),
  ...(event.data && { data: fitData(event.data) }),
})

const fitData = <T extends object>(data: T): T =>
  jsonBytes(data) <= DATA_BYTES ? data : ({ cut: `${jsonBytes(data)} bytes were too much to report` } as unknown as T)

/** A step's numbers in rows of as many as one may have, and the names of those that are none (NaN, infinite), which are left out. */
export function fitPoint({ step, values }: MetricPoint): { points: MetricPoint[]; left: string[] } {
  const entries = Object.entries(values)
  const finite = entries.filter(([, value]) => Number.isFinite(value))
  const points = inPosts(finite, { rows: POINT_VALUES }).map((some) => ({ step, values: Object.fromEntries(some) }))
  return { points, left: entries.filter(([, value]) => !Number.isFinite(value)).map(([name]) => name) }
}

/** Whether the API understood a report and does not take it, nor would when it is sent again. */
export const isRefusal = (error: unknown): error is GavelError =>
  error instanceof GavelError && [400, 413, 422].includes(error.status)
