import { createReadStream } from 'node:fs'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { DatasetConverter, type FileFormat, type Taken } from '../core/datasets/dataset-converter.ts'
import { GavelError } from '../core/errors.ts'
import { CliError, EXIT } from './io.ts'

/** What is compressed may be so many times as large when it is taken apart, and this much in any case. */
const MAX_INFLATION = 500
const ALWAYS_BYTES = 100e6

/**
 * The JSONL of a file of rows in any form that is taken, as it is read; `-` is standard input, and gzip is taken apart.
 * @param done is told what was made of it, at its end
 * @throws CliError naming the file, and the line that cannot be taken
 */
export async function* readRows(
  path: string,
  format: FileFormat,
  done: (taken: Taken) => void,
): AsyncGenerator<Uint8Array> {
  const converter = new DatasetConverter(format, path.replace(/\.gz$/i, ''))
  try {
    for await (const chunk of unzipped(path)) yield* converter.push(chunk)
    yield* converter.end()
  } catch (error) {
    if (error instanceof GavelError) throw new CliError(`${path}: ${error.message} Nothing was stored.`)
    throw error
  }
  done(converter.taken())
}

/** A file's bytes, taken apart where they are compressed. */
async function* unzipped(path: string): AsyncGenerator<Uint8Array> {
  const file = path === '-' ? process.stdin : createReadStream(path)
  const chunks = file[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  const next = () =>
    chunks.next().catch((error: Error) => {
      throw new CliError(`${path} cannot be read (${error.message}). Check the path.`, EXIT.usage)
    })
  let read = 0
  async function* all(first: Buffer) {
    for (let chunk = first as Buffer | undefined; chunk;) {
      read += chunk.length
      yield chunk
      const { done, value } = await next()
      chunk = done ? undefined : value
    }
  }
  const { done, value: first } = await next()
  if (done) return
  if (first[0] !== 0x1f || first[1] !== 0x8b) return yield* all(first)

  const gunzip = createGunzip()
  // What goes wrong with the file ends the stream that is read below.
  pipeline(Readable.from(all(first)), gunzip, () => {})
  let inflated = 0
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      inflated += chunk.length
      if (inflated > ALWAYS_BYTES && inflated > MAX_INFLATION * read) {
        throw new CliError(
          `${path} grows to more than ${MAX_INFLATION} times its size, and is no dataset. Unpack it and look.`,
        )
      }
      yield chunk
    }
  } catch (error) {
    if (!('code' in (error as object)) || !/^Z_/.test(String((error as NodeJS.ErrnoException).code))) throw error
    throw new CliError(
      `${path} is no gzip, or was cut off (${(error as Error).message}). Compress it anew, or give it as it is.`,
    )
  }
}
