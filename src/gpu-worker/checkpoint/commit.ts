import { createHash } from 'node:crypto'
import { createReadStream, openAsBlob, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { RunState } from '../algorithms/run-context.ts'
import type { WorkerApi } from '../worker/worker-api.ts'

/**
 * Uploads a folder's files and commits them as the job's checkpoint of a step. Until the last call has
 * succeeded there is no checkpoint; repeating it is safe.
 */
export async function commitCheckpoint(
  api: WorkerApi,
  lease: { id: string; fence: number },
  { step, state, folder }: { step: number; state: RunState; folder: string },
): Promise<string> {
  const job = api.job(lease)
  const names = readdirSync(folder).sort()
  const objects = []
  for (const name of names) {
    const path = join(folder, name)
    objects.push({ name, size: statSync(path).size, sha256: await fileSha256(path) })
  }
  for (const upload of await job.uploads(step, objects)) {
    await api.upload(upload, () => openAsBlob(join(folder, upload.name)))
  }
  const { id } = await job.commit(step, { objects, state: state as never })
  return id
}

/** SHA-256 of a file's bytes, lower-case hexadecimal. */
export async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
