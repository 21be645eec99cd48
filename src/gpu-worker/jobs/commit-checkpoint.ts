import { openAsBlob, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { RunState } from '../algorithms/run-context.ts'
import { fileSha256 } from '../checkpoint/file-sha256.ts'
import type { WorkerApi } from './worker-api.ts'

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
