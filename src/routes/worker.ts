import * as v from 'valibot'
import { GavelError } from '../core/errors.ts'
import { MAX_PARTS } from '../core/ports.ts'
import { MAX_OBJECT_BYTES, objectEntry } from '../core/schemas/checkpoint.ts'
import { fields, integer } from '../core/schemas/fields.ts'
import { job, JOB_TYPES } from '../core/schemas/job.ts'
import { judgmentsAnswer } from '../core/schemas/judgment.ts'
import { parse } from '../core/schemas/parse.ts'
import * as schemas from '../core/schemas/worker.ts'
import type { JobRow } from '../service/database.ts'
import type { Deps } from '../service/deps.ts'
import { changeJob, checkFence, jobNotFound, staleFence } from '../service/jobs/change.ts'
import { commitCheckpoint } from '../service/jobs/checkpoints.ts'
import { inputKeys, judgesOf } from '../service/jobs/job-inputs.ts'
import { leaseJob, urlOfObject } from '../service/jobs/lease-job.ts'
import { settleJudgeJob } from '../service/jobs/settle-judge-job.ts'
import { servedBy } from '../service/jobs/served-by.ts'
import { complete, fail, LEASE_SECONDS, release } from '../service/jobs/transitions.ts'
import { finishUpload, keyOf, putUpload, uploadPlaces } from '../service/jobs/upload-places.ts'
import { askJudge, noteUse, showJudgments, type Asking } from '../service/judges/ask-judge.ts'
import { unixSeconds } from '../service/resource-header.ts'
import { MAX_BATCH_BYTES, route, type Caller } from './http/route.ts'
import { streamObject } from './http/serve-object.ts'
import { toJudgeItem } from './judgments.ts'

const common = { tag: 'Worker', scope: 'worker' } as const

/** @throws GavelError `not_found` when the job is none of this worker's business */
async function jobOf(deps: Deps, caller: Caller, id: string): Promise<JobRow> {
  const row = await deps.database.jobs.get(id)
  const tenant = servedBy(caller.tenant)
  if (!row || (tenant !== null && row.tenant !== tenant)) throw jobNotFound(id)
  return row
}

/** The job, where this fence holds it. @throws GavelError `not_found`, `stale_fence` */
async function leasedJob(deps: Deps, caller: Caller, id: string, fence: number): Promise<JobRow> {
  const row = await jobOf(deps, caller, id)
  checkFence(row, fence)
  return row
}

/** @throws GavelError `not_found` unless an object is one of the job's inputs */
async function checkInput(deps: Deps, row: JobRow, key: string): Promise<void> {
  if ((await inputKeys(deps, row)).has(key)) return
  const message = "`key`: this job's inputs have no such object. Use the URLs and keys of its lease."
  throw new GavelError('not_found', message, { param: 'key' })
}

const uploadPlace = fields({
  fence: schemas.fence,
  step: integer(0, 1_000_000, 'Optimizer steps done.'),
  name: objectEntry.entries.name,
})

const jobState = v.object({ id: v.string(), state: job.entries.state })
const showState = ({ id, state }: JobRow) => ({ id, state })

/** The judges that a job may ask, and where one is an ensemble, those that it is made of. */
async function askedBy({ database }: Deps, job: JobRow): Promise<string[]> {
  const ids = judgesOf(job).map(async (id) => {
    const provider = (await database.judges.find(job.tenant, id))?.body.provider
    return provider?.type === 'ensemble' ? [id, ...provider.judges] : [id]
  })
  return (await Promise.all(ids)).flat()
}

/**
 * Who pays for a job's judge: the key that made the job.
 * @throws GavelError `unprocessable` unless the judge is one of the job's
 */
async function askingOf(deps: Deps, job: JobRow, judge: string): Promise<Asking> {
  if (!(await askedBy(deps, job)).includes(judge)) {
    const message = "`judge` is not the judge of this job; name the id in the lease's inputs."
    throw new GavelError('unprocessable', message, { param: 'judge' })
  }
  const key = job.key ?? ''
  const budget = key === '' ? undefined : await deps.database.keys.budgetOf(job.tenant, key)
  return { tenant: job.tenant, key, job: job.id, budget }
}

export const workerRoutes = [
  route({
    ...common,
    method: 'POST',
    path: '/v1/worker/lease',
    operationId: 'leaseJob',
    summary: 'Take the oldest job that is ready',
    description:
      'With everything needed to run it. Beat every third of `lease_seconds`, or the job goes to another worker.',
    body: schemas.leaseRequest,
    example: { worker: 'gpu-1', wait_seconds: 20 },
    response: schemas.leaseAnswer,
    otherResponses: { '204': 'There is none.' },
    async handler({ deps, caller, body: { worker, kinds = JOB_TYPES, wait_seconds: waitSeconds }, request }) {
      const leased = await leaseJob(deps, {
        worker,
        kinds,
        waitSeconds,
        tenant: caller.tenant,
        signal: request.signal,
      })
      return leased ? { job: leased } : new Response(null, { status: 204 })
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/worker/jobs/:id/heartbeat',
    operationId: 'heartbeat',
    summary: 'Keep a lease, and hear whether to stop',
    body: schemas.fenced,
    response: schemas.heartbeatAnswer,
    async handler({ deps, caller, params: { id }, body: { fence } }) {
      await leasedJob(deps, caller, id, fence)
      const row = await deps.database.jobs.heartbeat({ job: id, fence }, deps.clock.now() + LEASE_SECONDS * 1000)
      if (!row) throw staleFence(id)
      return {
        lease_expires_at: unixSeconds(row.leaseExpiresAt),
        cancel_requested: row.cancelRequested,
        pause_requested: row.pauseRequested,
      }
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/worker/jobs/:id/metrics',
    operationId: 'postMetrics',
    summary: 'Report the numbers of steps',
    body: schemas.postMetrics,
    example: { fence: 1, data: [{ step: 1, values: { loss: 2.31, reward: 0.4 } }] },
    response: schemas.accepted,
    async handler({ deps, caller, params: { id }, body: { fence, data } }) {
      await leasedJob(deps, caller, id, fence)
      if (!(await deps.database.jobs.postMetrics({ job: id, fence }, data))) throw staleFence(id)
      return { accepted: data.length }
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/worker/jobs/:id/events',
    operationId: 'postEvents',
    summary: 'Report what happened',
    body: schemas.postEvents,
    response: schemas.accepted,
    async handler({ deps, caller, params: { id }, body: { fence, data } }) {
      await leasedJob(deps, caller, id, fence)
      if (!(await deps.database.jobs.postEvents({ job: id, fence }, data, deps.clock.now()))) throw staleFence(id)
      deps.bell.ring(id)
      return { accepted: data.length }
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/worker/jobs/:id/samples',
    operationId: 'postSamples',
    summary: 'Keep rollouts for people to read',
    body: schemas.postSamples,
    response: schemas.accepted,
    async handler({ deps, caller, params: { id }, body: { fence, data } }) {
      await leasedJob(deps, caller, id, fence)
      if (!(await deps.database.jobs.postSamples({ job: id, fence }, data))) throw staleFence(id)
      return { accepted: data.length }
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/worker/jobs/:id/uploads',
    operationId: 'requestUploads',
    summary: "Ask where to put a checkpoint's files",
    body: schemas.uploadsRequest,
    response: v.object({ data: v.array(schemas.upload) }),
    async handler({ deps, caller, params: { id }, body: { fence, step, objects } }) {
      const job = await leasedJob(deps, caller, id, fence)
      return { data: await uploadPlaces(deps, { job, fence, step }, objects) }
    },
  }),
  route({
    ...common,
    method: 'PUT',
    path: '/v1/worker/jobs/:id/uploads/:fence/:step/:name',
    params: uploadPlace.entries,
    operationId: 'putUpload',
    summary: 'Put a file where the object store has no URLs of its own',
    description:
      'With `upload` and `part`, one part of it; the answer has its `ETag`. A file that is there is never written over: the same ' +
      'bytes again are harmless, others a 409.',
    query: fields({
      upload: v.optional(schemas.uploadId),
      part: v.optional(integer(1, MAX_PARTS, 'Number of the part, from 1.')),
    }),
    rawBody: { 'application/octet-stream': { type: 'string', format: 'binary' } },
    response: v.object({ size: v.number() }),
    async handler({ deps, caller, params: { id, ...path }, query: { upload, part }, request }) {
      const place = { fence: Number(path.fence), step: Number(path.step), name: path.name }
      const { fence, step, name } = parse(uploadPlace, place, 'path')
      const row = await leasedJob(deps, caller, id, fence)
      const header = request.headers.get('content-length') ?? ''
      if (!/^\d{1,15}$/.test(header)) {
        throw new GavelError('invalid_request', 'Content-Length is missing; send the size of the file.', {
          param: 'Content-Length',
        })
      }
      const size = Number(header)
      if (size > MAX_OBJECT_BYTES) {
        throw new GavelError('too_large', `The file is larger than ${MAX_OBJECT_BYTES} bytes; split it.`, {
          param: 'body',
        })
      }
      const key = keyOf({ job: row, fence, step }, name)
      if (upload === undefined) {
        await putUpload(deps, key, request.body ? { size, body: request.body } : null)
        return { size }
      }
      if (part === undefined || !request.body) {
        const param = part === undefined ? 'part' : 'body'
        throw new GavelError('invalid_request', `\`${param}\` is missing; send a part with its number.`, { param })
      }
      const etag = await deps.blobs.parts.put(key, upload, part, { size, body: request.body })
      return Response.json({ size }, { headers: { etag } })
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/worker/jobs/:id/uploads/finish',
    operationId: 'finishUpload',
    summary: 'Make the parts of a file the file',
    description: 'The same again is harmless.',
    body: schemas.finishUploadRequest,
    response: v.object({ size: v.number() }),
    async handler({ deps, caller, params: { id }, body: { fence, step, object, ...parts } }) {
      const job = await leasedJob(deps, caller, id, fence)
      await finishUpload(deps, { job, fence, step }, object, parts)
      return { size: object.size }
    },
  }),
  route({
    ...common,
    method: 'DELETE',
    path: '/v1/worker/jobs/:id/uploads/:fence/:step/:name',
    params: uploadPlace.entries,
    operationId: 'abortUpload',
    summary: 'Give up an upload in parts',
    query: fields({ upload: schemas.uploadId }),
    response: v.object({ aborted: v.literal(true) }),
    async handler({ deps, caller, params: { id, ...path }, query: { upload } }) {
      const place = { fence: Number(path.fence), step: Number(path.step), name: path.name }
      const { fence, step, name } = parse(uploadPlace, place, 'path')
      const job = await leasedJob(deps, caller, id, fence)
      await deps.blobs.parts.abort(keyOf({ job, fence, step }, name), upload)
      return { aborted: true }
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/worker/jobs/:id/checkpoints',
    operationId: 'commitCheckpoint',
    summary: 'Make the uploaded files of a step a checkpoint',
    description:
      'The API checks that each file is there in its size, and writes the manifest last. The same commit again is harmless.',
    body: schemas.commitRequest,
    response: schemas.commitAnswer,
    async handler({ deps, caller, params: { id }, body: { fence, step, manifest } }) {
      const row = await leasedJob(deps, caller, id, fence)
      const checkpoint = await commitCheckpoint(deps, row, fence, step, manifest)
      await changeJob(
        deps,
        id,
        () => jobOf(deps, caller, id),
        (row) => (row.tries === 0 ? null : { tries: 0, error: null }),
      )
      return { id: checkpoint.id }
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/worker/jobs/:id/complete',
    operationId: 'completeJob',
    summary: 'Report that a job is done',
    body: schemas.completeRequest,
    example: { fence: 1, result: { correct: 61, n: 100, accuracy: 0.61, low: 0.512, high: 0.7 } },
    response: jobState,
    async handler({ deps, caller, params: { id }, body: { fence, result } }) {
      const find = () => jobOf(deps, caller, id)
      const row = await find()
      // Completed before, or another's by now: that is for the change below to say.
      const holds = row.state === 'running' && row.fence === fence
      const settled = holds ? await settleJudgeJob(deps, row, result) : result
      return showState(await changeJob(deps, id, find, complete(settled), { fence, settled: ['succeeded'] }))
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/worker/jobs/:id/fail',
    operationId: 'failJob',
    summary: 'Report that a job cannot go on',
    description:
      'A retryable failure puts it back, after a wait, until it has been tried five times without a checkpoint.',
    body: schemas.failRequest,
    example: {
      fence: 1,
      error: { code: 'judge_unreachable', message: 'The judge did not answer for 60 s.' },
      retryable: true,
    },
    response: jobState,
    async handler({ deps, caller, params: { id }, body: { fence, error, retryable } }) {
      const settled = ['failed', 'queued', 'paused', 'cancelled'] as const
      const find = () => jobOf(deps, caller, id)
      return showState(await changeJob(deps, id, find, fail(error, retryable), { fence, settled }))
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/worker/jobs/:id/release',
    operationId: 'releaseJob',
    summary: 'Give a job back: told to pause or cancel, or shutting down',
    body: schemas.fenced,
    response: jobState,
    async handler({ deps, caller, params: { id }, body: { fence } }) {
      const find = () => jobOf(deps, caller, id)
      return showState(await changeJob(deps, id, find, release, { fence, settled: ['queued', 'paused', 'cancelled'] }))
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/worker/jobs/:id/judgments',
    operationId: 'judgeForJob',
    summary: "Have the job's judge score answers",
    description:
      "The API asks the provider: a worker never sees its secret. Only the judge of the job's inputs may be named.",
    body: schemas.workerJudgmentsRequest,
    maxBytes: MAX_BATCH_BYTES,
    response: judgmentsAnswer,
    async handler({ deps, caller, params: { id }, body: { fence, judge, items }, request, work }) {
      const asking = await askingOf(deps, await leasedJob(deps, caller, id, fence), judge)
      const options = { signal: request.signal, work }
      return showJudgments(await askJudge(deps, asking, judge, 'judge', items.map(toJudgeItem), options))
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/worker/jobs/:id/judge-usage',
    operationId: 'noteJudgeUsage',
    summary: 'Tell what a local judge of the job is used for',
    description:
      'A worker asks a local judge itself. It posts the `items` before, which is refused where a budget does not allow for ' +
      'them, and the rest after. A report that comes again counts once.',
    body: schemas.judgeUsageRequest,
    example: { fence: 1, report: 1, judge: 'judge_…', items: 64 },
    response: schemas.accepted,
    async handler({ deps, caller, params: { id }, body }) {
      const { fence, report, judge, prompt_tokens: promptTokens, completion_tokens: completionTokens, ...counts } = body
      const job = await leasedJob(deps, caller, id, fence)
      const asking = await askingOf(deps, job, judge)
      if (report > job.usageReports) {
        const used = { ...counts, promptTokens, completionTokens }
        await noteUse(deps, asking, { job: id, fence, number: report }, judge, used)
      }
      return { accepted: counts.items }
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/worker/jobs/:id/downloads',
    operationId: 'requestDownload',
    summary: "Ask for a new URL of an object of the job's inputs",
    description: 'Where the object store refuses that of the lease: its time is over, say.',
    body: schemas.downloadRequest,
    response: v.object({ url: schemas.download.entries.url }),
    async handler({ deps, caller, params: { id }, body: { fence, key } }) {
      const row = await leasedJob(deps, caller, id, fence)
      await checkInput(deps, row, key)
      return { url: await urlOfObject(deps, row, key) }
    },
  }),
  route({
    ...common,
    method: 'GET',
    path: '/v1/worker/jobs/:id/objects/:key{.+}',
    operationId: 'getJobObject',
    summary: "Read an object of the job's inputs where the object store has no URLs of its own",
    query: fields({ fence: schemas.fence }),
    response: { mediaType: 'application/octet-stream', description: 'The object.' },
    async handler({ deps, caller, params: { id, key }, query: { fence }, request }) {
      const row = await leasedJob(deps, caller, id, fence)
      await checkInput(deps, row, key)
      const name = key.slice(key.lastIndexOf('/') + 1)
      return streamObject(deps.blobs, key, name, 'application/octet-stream', request)
    },
  }),
]
