/** Objects that nothing names any more: of lost workers, of dropped and deleted checkpoints, of deleted jobs. */
import type { CheckpointRow, JobRow } from '../database.ts'
import type { Deps } from '../deps.ts'

/** How long the places that a worker is told to upload to can be written to, in seconds. */
export const UPLOAD_SECONDS = 6 * 3600
/** When to look for a job's objects again where a worker may still upload, in ms. */
const AGAIN_MS = (UPLOAD_SECONDS + 600) * 1000
/** Jobs of one sweep, which keeps it short. */
const AT_ONCE = 20

type Stores = Pick<Deps, 'database' | 'blobs' | 'clock' | 'logError'>

const jobPrefix = ({ tenant, id }: Pick<JobRow, 'tenant' | 'id'>) => `tenants/${tenant}/jobs/${id}/`

/** Told of every place to upload to: whatever becomes of the job, what was left there is collected in the end. */
export const noteUploads = ({ database, clock }: Stores, job: JobRow): Promise<void> =>
  database.jobs.collectLater(job.id, clock.now() + AGAIN_MS)

/**
 * Deletes the objects of a job that no checkpoint of its names. What the holder of its lease is about to commit, or a
 * later holder, is left alone; so `job` must have been read before this is called.
 */
export async function collectObjects({ database, blobs, logError }: Stores, job: JobRow): Promise<void> {
  const checkpoints = await database.checkpoints.ofJob(job.id)
  const named = new Set(checkpoints.flatMap(objectKeys))
  const newest = checkpoints.at(-1)?.step ?? -1
  const isOver = (key: string) => {
    const [step, fence] = placeOf(job, key)
    return fence < job.fence || (fence === job.fence && (job.state !== 'running' || step <= newest))
  }
  for (const { key } of await blobs.list(jobPrefix(job))) if (!named.has(key) && isOver(key)) await blobs.delete(key)
  // Not every key may list uploads, nor does every server: a lifecycle rule of the bucket is the second net.
  await blobs.parts.abortAll(jobPrefix(job), isOver).catch((error: unknown) => logError(error, `uploads of ${job.id}`))
}

const objectKeys = ({ prefix, manifest }: CheckpointRow) =>
  [...manifest.objects.map(({ name }) => name), 'manifest.json'].map((name) => `${prefix}/${name}`)

/** Step and fence of an object's key, as `checkpointPrefix` has them. */
function placeOf(job: JobRow, key: string): [step: number, fence: number] {
  const [, step, fence] = key.slice(jobPrefix(job).length).split('/')
  return [Number(step), Number(fence)]
}

/**
 * Deletes what is left of a job that is marked as deleted: what was posted of it, its checkpoints unless something else
 * names them, and the objects. Harmless where it was done before, or broke off in the middle.
 */
async function collectDeleted(deps: Stores, job: JobRow): Promise<void> {
  const { database } = deps
  await database.jobs.forgetPosts(job.id)
  const checkpoints = await database.checkpoints.ofJob(job.id)
  await database.checkpoints.removeUnnamed(job.id, checkpoints.map(({ id }) => id)) // prettier-ignore
  await collectObjects(deps, job)
  await releaseCheckpoints(deps, job.tenant, job.spec)
}

/** Right after a job was marked as deleted. Its last worker may still be uploading: what comes is collected later. */
export async function collectJob(deps: Stores, job: JobRow): Promise<void> {
  const now = deps.clock.now()
  await collectDeleted(deps, job)
  await deps.database.jobs.collected(job.id, now, now + AGAIN_MS)
}

/**
 * Looks after the jobs that are due: some deletion broke off, or some worker was lost in the middle of an upload; and has
 * the store forget what was never finished.
 */
export async function sweepObjects(deps: Stores): Promise<void> {
  const { database, blobs, clock } = deps
  await blobs.sweep()
  for (const { id } of await database.jobs.collectable(clock.now(), AT_ONCE)) {
    const now = clock.now()
    const { job, deleted } = (await database.jobs.ofCheckpoints(id))!
    await (deleted ? collectDeleted(deps, job) : collectObjects(deps, job))
    await database.jobs.collected(id, now, job.state === 'running' ? now + AGAIN_MS : null)
  }
}

/** After something was deleted that may have named checkpoints: collects those whose job is deleted as well, and that nothing else names. */
export async function releaseCheckpoints(deps: Stores, tenant: string, named: unknown): Promise<void> {
  const { database } = deps
  for (const id of new Set(JSON.stringify(named).match(/(?<=")ckpt_[A-Za-z0-9]+(?=")/g))) {
    const checkpoint = await database.checkpoints.find(tenant, id)
    const of = checkpoint && (await database.jobs.ofCheckpoints(checkpoint.job))
    if (!of?.deleted) continue
    const removed = await database.checkpoints.removeUnnamed(of.job.id, [id])
    if (removed.length > 0) await collectObjects(deps, of.job)
  }
}
