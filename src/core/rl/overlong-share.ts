/**
 * What an answer loses for coming close to the limit, 0 … 1: nothing up to `limit − buffer` tokens, then linearly
 * more, 1 at the limit (DAPO's soft overlong punishment, arXiv 2503.14476, eq. 13).
 */
export function overlongShare(tokens: number, { limit, buffer }: { limit: number; buffer: number }): number {
  if (tokens <= limit - buffer) return 0
  return buffer === 0 ? 1 : Math.min(1, (tokens - (limit - buffer)) / buffer)
}
