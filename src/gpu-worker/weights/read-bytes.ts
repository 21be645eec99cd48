import { readSync } from 'node:fs'

/** Most bytes of one read or write: the system's calls take no more than 2 GiB. */
export const IO_BYTES = 1 << 30

/** `length` bytes from `offset` of an open file, or fewer where it ends. */
export function readBytes(file: number, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  let done = 0
  while (done < length) {
    const read = readSync(file, bytes, done, Math.min(length - done, IO_BYTES), offset + done)
    if (read === 0) return bytes.slice(0, done)
    done += read
  }
  return bytes
}
