import { GavelError } from '../../core/errors.ts'
import { CLAIMABLE, type Listener } from '../../core/ports.ts'
import type { JobType } from '../../core/schemas/job.ts'
import type { LeasedJob } from '../../core/schemas/worker.ts'
import type { JobRow } from '../database.ts'
import type { Deps } from '../deps.ts'
import { changeJob, sweepJobs } from './change.ts'
import { jobInputs } from './job-inputs.ts'
import { servedBy } from './served-by.ts'
import { fail, LEASE_SECONDS, MAX_TRIES, release } from './transitions.ts'

/** How long the URLs of a job's inputs can be read, in seconds. */
const URL_SECONDS = 6 * 3600
/** Longest time between two looks for a job while one waits, in ms: nothing rings when one's pause is over. */
const POLL_MS = 2_000

interface LeaseRequest {
  worker: string
  kinds: readonly JobType[]
  /** Of the worker's key. */
  tenant: string
  waitSeconds: number
  /** Aborted when the worker's connection ends. */
  signal: AbortSignal
}

/**
 * Leases the oldest job that is ready, waiting for one up to `waitSeconds`. A worker whose connection has ended is given
 * none: it would not hear of it, and the job would lie still until the lease is over.
 * @returns null when there was none
 */
export async function leaseJob(deps: Deps, request: LeaseRequest): Promise<LeasedJob | null> {
  const deadline = deps.clock.now() + request.waitSeconds * 1000
  const claimable = deps.bell.listen(CLAIMABLE)
  try {
    return await leaseWithin(deps, request, deadline, claimable)
  } finally {
    claimable.close()
  }
}

async function leaseWithin(
  deps: Deps,
  request: LeaseRequest,
  deadline: number,
  claimable: Listener,
): Promise<LeasedJob | null> {
  const { database, clock, bell } = deps
  const { worker, kinds, tenant, signal } = request
  for (;;) {
    await sweepJobs(deps)
    if (signal.aborted) return null
    const now = clock.now()
    const job = await database.jobs.claim({
      worker,
      kinds,
      tenant: servedBy(tenant),
      now,
      leaseMs: LEASE_SECONDS * 1000,
      maxTries: MAX_TRIES,
    })
    if (job) bell.ring(job.id)
    const leased = job && (await describe(deps, job, tenant))
    if (leased && !signal.aborted) return leased
    if (leased) await giveBack(deps, leased)
    if (job) continue
    if (now >= deadline) return null
    await claimable.next(Math.min(deadline - now, POLL_MS))
  }
}

/** Where a worker reads an object of its job's inputs. */
export const urlOfObject = async ({ blobs }: Pick<Deps, 'blobs'>, { id, fence }: JobRow, key: string) =>
  (await blobs.presign(key, 'GET', URL_SECONDS)) ?? `/v1/worker/jobs/${id}/objects/${key}?fence=${fence}`

/** The worker's connection ended while its job was looked up. */
async function giveBack(deps: Deps, { id, fence }: LeasedJob): Promise<void> {
  const settled = ['queued', 'paused', 'cancelled'] as const
  await changeJob(deps, id, () => deps.database.jobs.get(id), release, { fence, settled })
}

/**
 * What the worker is told. Null when the job's inputs are gone: then it has failed, and says why.
 * @param worker the tenant of the worker's key
 */
async function describe(deps: Deps, job: JobRow, worker: string): Promise<LeasedJob | null> {
  const { database, blobs } = deps
  const { id, fence } = job
  try {
    const inputs = await jobInputs(deps, job, (key) => urlOfObject(deps, job, key))
    await database.jobs.supersede({ job: id, fence }, inputs.resume?.step ?? -1)
    const { objectBytes: object_bytes, freeBytes: free_bytes, volume } = await blobs.room()
    const store = { object_bytes, free_bytes, volume }
    const { type, spec, attempt } = job
    const own = job.tenant === worker
    return { id, type, spec, fence, lease_seconds: LEASE_SECONDS, attempt, tenant: job.tenant, own, inputs, store }
  } catch (error) {
    if (!(error instanceof GavelError)) throw error
    const change = fail({ code: error.code, message: error.message }, error.retryable)
    await changeJob(deps, id, () => database.jobs.get(id), change, {
      fence,
      settled: ['failed', 'queued', 'cancelled'],
    })
    return null
  }
}
