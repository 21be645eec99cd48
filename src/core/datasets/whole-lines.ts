const NEWLINE = 10
/** Taken at a time. */
const STEP_BYTES = 64 * 1024

/**
 * Bytes in pieces of whole lines, each of about so many bytes; the last may be shorter, and end without a newline. A
 * line that is longer than two pieces, which no dataset takes, is cut: it need not be held to be refused.
 * @param chunks cut anywhere
 */
export async function* wholeLines(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  bytes: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let held = new Uint8Array(STEP_BYTES)
  let length = 0
  for await (const chunk of chunks) {
    for (let from = 0; from < chunk.length; from += STEP_BYTES) {
      const step = chunk.subarray(from, from + STEP_BYTES)
      if (length + step.length > held.length) {
        const larger = new Uint8Array(2 * (length + step.length))
        larger.set(held.subarray(0, length))
        held = larger
      }
      held.set(step, length)
      length += step.length
      if (length < bytes) continue
      const end = held.lastIndexOf(NEWLINE, length - 1) + 1 || (length >= 2 * bytes ? length : 0)
      if (end === 0) continue
      yield held.slice(0, end)
      held.copyWithin(0, end, length)
      length -= end
    }
  }
  if (length > 0) yield held.slice(0, length)
}
