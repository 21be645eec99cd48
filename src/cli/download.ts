import { createHash } from 'node:crypto'
import { createWriteStream, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Client } from '../client.ts'
import type { Checkpoint } from '../core/schemas/checkpoint.ts'
import { CliError } from './io.ts'

/**
 * Fetches a checkpoint's files into a folder; each gets its name only when its size and SHA-256 are right, and
 * `manifest.json` comes last. An adapter (`adapter_config.json`, `adapter_model.safetensors`) is put into `adapter/`:
 * beside a merged model, transformers would take the adapter for the model.
 * @throws CliError naming the file that differs or cannot be written
 */
export async function downloadCheckpoint(api: Client, checkpoint: Checkpoint, folder: string): Promise<void> {
  try {
    mkdirSync(folder, { recursive: true })
    if (checkpoint.files.some(isAdapter)) mkdirSync(join(folder, ADAPTER_FOLDER), { recursive: true })
  } catch (error) {
    throw new CliError(`${folder} cannot be made (${(error as Error).message}). Give another folder with --out.`)
  }
  for (const file of checkpoint.files) {
    const response = await api.checkpoints.file(checkpoint.id, file.name)
    await saveVerified(response, file, isAdapter(file) ? join(folder, ADAPTER_FOLDER) : folder)
  }
  const manifest = await api.checkpoints.manifest(checkpoint.id)
  writeFileSync(join(folder, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`)
}

const ADAPTER_FOLDER = 'adapter'
const isAdapter = ({ name }: { name: string }): boolean => name.startsWith('adapter_')

async function saveVerified(response: Response, file: Checkpoint['files'][number], folder: string): Promise<void> {
  // The API is not trusted with our other folders.
  const path = join(folder, basename(file.name))
  const partial = `${path}.part`
  const hash = createHash('sha256')
  let size = 0
  const measure = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      hash.update(chunk)
      size += chunk.length
      done(null, chunk)
    },
  })
  try {
    const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0])
    await pipeline(body, measure, createWriteStream(partial))
    const sha256 = hash.digest('hex')
    if (size !== file.size || sha256 !== file.sha256) {
      throw new Error(`it came with ${size} bytes and SHA-256 ${sha256}, not ${file.size} and ${file.sha256}`)
    }
    renameSync(partial, path)
  } catch (error) {
    rmSync(partial, { force: true })
    throw new CliError(`${path} was not saved: ${(error as Error).message}. Mend what is wrong and download again.`)
  }
}
