import { fstatSync, openSync, readSync } from 'node:fs'
import { GavelError } from '../../core/errors.ts'

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

/** Opens a model's file for reading. Throws `corrupt_model` where there is none that can be read. */
export function openWeights(path: string): number {
  try {
    const file = openSync(path, 'r')
    if (fstatSync(file).isFile()) return file
  } catch (cause) {
    throw new GavelError('corrupt_model', `${path} cannot be read: ${(cause as Error).message}`, { param: path, cause })
  }
  throw new GavelError('corrupt_model', `${path} is not a file; put the model's weights there`, { param: path })
}
