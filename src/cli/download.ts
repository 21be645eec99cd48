import { existsSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Client } from '../client.ts'
import { isOfTheRun, type Checkpoint } from '../core/schemas/checkpoint.ts'
import { fetchObject } from '../gpu-worker/checkpoint/fetch-objects.ts'
import { fileSha256 } from '../gpu-worker/checkpoint/file-sha256.ts'
import { CliError } from './io.ts'

type File = Checkpoint['files'][number]

/**
 * Fetches a checkpoint's files into a folder; each gets its name only when its size and SHA-256 are right, and
 * `manifest.json` comes last. One that is there already is not fetched again, and one that broke off goes on where it
 * was. An adapter (`adapter_config.json`, `adapter_model.safetensors`) is put into `adapter/`: beside a merged model,
 * transformers would take the adapter for the model.
 * @param weightsOnly leaves out what only the run itself has a use for: the optimizer's memory above all
 * @returns the files
 * @throws CliError naming the file that differs or cannot be written
 */
export async function downloadCheckpoint(
  api: Client,
  checkpoint: Checkpoint,
  folder: string,
  { weightsOnly = false }: { weightsOnly?: boolean } = {},
): Promise<File[]> {
  const files = checkpoint.files.filter(({ name }) => !weightsOnly || !isOfTheRun(name))
  try {
    mkdirSync(folder, { recursive: true })
    if (files.some(isAdapter)) mkdirSync(join(folder, ADAPTER_FOLDER), { recursive: true })
  } catch (error) {
    throw new CliError(`${folder} cannot be made (${(error as Error).message}). Give another folder with --out.`)
  }
  const source = {
    download: ({ name }: { name: string }, from: number) => api.checkpoints.file(checkpoint.id, name, { from }),
  }
  for (const file of files) {
    // The API is not trusted with our other folders.
    const path = join(isAdapter(file) ? join(folder, ADAPTER_FOLDER) : folder, basename(file.name))
    // By its hash, so that it is gone on with only where it is of the same file.
    const partial = `${path}.${file.sha256.slice(0, 16)}.part`
    try {
      if (existsSync(path) && statSync(path).size === file.size && (await fileSha256(path)) === file.sha256) continue
      await fetchObject(source, file, partial)
      renameSync(partial, path)
    } catch (error) {
      throw new CliError(`${path} was not saved: ${(error as Error).message} Mend what is wrong and download again.`)
    }
  }
  const manifest = await api.checkpoints.manifest(checkpoint.id)
  writeFileSync(join(folder, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  return files
}

const ADAPTER_FOLDER = 'adapter'
const isAdapter = ({ name }: { name: string }): boolean => name.startsWith('adapter_')
