import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { RunState } from '../algorithms/run-context.ts'
import { fileSha256 } from '../checkpoint/file-sha256.ts'
import { uploadObject } from './upload-object.ts'
import type { WorkerApi } from './worker-api.ts'

/**
 * Uploads a folder's files and commits them as the job's checkpoint of a step. Until the last call has
 * succeeded there is no checkpoint; repeating it is safe.
 * @param signal breaks it off; rejects with its reason
 */
export async function commitCheckpoint(
  api: WorkerApi,
  lease: { id: string; fence: number },
  { step, state, folder }: { step: number; state: RunState; folder: string },
  signal: AbortSignal | null = null,
): Promise<string> {
  const job = api.job(lease)
  const objects = []
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name)
    const object = { name, size: statSync(path).size, sha256: await fileSha256(path) }
    await uploadObject(api, job, step, { object, path, signal })
    objects.push(object)
  }
  const { id } = await job.commit(step, { objects, state: state as never })
  return id
}
