import * as v from 'valibot'
import { GavelError } from '../core/errors.ts'
import { checkpoint } from '../core/schemas/checkpoint.ts'
import { evalComparison } from '../core/schemas/eval.ts'
import { deleted, fields, integer, listOf, reference } from '../core/schemas/fields.ts'
import { job, JOB_STATES, JOB_TYPES, jobEvent, jobSpec, metricPoint, sample } from '../core/schemas/job.ts'
import { parse } from '../core/schemas/parse.ts'
import type { JobRow } from '../service/database.ts'
import type { Deps } from '../service/deps.ts'
import { changeJob, jobNotFound } from '../service/jobs/change.ts'
import { collectJob } from '../service/jobs/collect.ts'
import { compareEvals } from '../service/jobs/compare-evals.ts'
import { createJob } from '../service/jobs/create-job.ts'
import { cancel, isTerminal, pause, resume, type Change } from '../service/jobs/transitions.ts'
import { unixSeconds } from '../service/resource-header.ts'
import { showCheckpoint } from './checkpoints.ts'
import { authenticate } from './http/authenticate.ts'
import { streamEvents } from './http/event-stream.ts'
import { page, pageQuery } from './http/page.ts'
import { route } from './http/route.ts'

const idempotencyKey = v.pipe(
  v.string(),
  v.regex(/^[\u0021-\u007e]{1,255}$/, 'must be 1 to 255 visible ASCII characters'),
  v.description('A text of your choice, 1 to 255 visible ASCII characters.'),
)

const showJob = (row: JobRow, step: number | undefined) => ({
  id: row.id,
  object: 'job',
  type: row.type,
  name: row.name,
  state: row.state,
  created_at: unixSeconds(row.createdAt),
  started_at: row.startedAt && unixSeconds(row.startedAt),
  finished_at: row.finishedAt && unixSeconds(row.finishedAt),
  spec: row.spec,
  result: row.result,
  error: row.state === 'running' ? null : row.error,
  attempt: row.attempt,
  step: step ?? null,
  cancel_requested: row.cancelRequested,
  pause_requested: row.pauseRequested,
})

const showOne = async ({ database }: Deps, row: JobRow) =>
  showJob(row, (await database.jobs.lastStep([row.id])).get(row.id))

/** @throws GavelError `not_found` */
async function findJob({ database }: Deps, tenant: string, id: string): Promise<JobRow> {
  const row = await database.jobs.find(tenant, id)
  if (!row) throw jobNotFound(id)
  return row
}

/** A route that changes a job's state and answers the job. */
const changeRoute = (word: 'cancel' | 'pause' | 'resume', summary: string, change: Change) =>
  route({
    method: 'POST',
    path: `/v1/jobs/:id/${word}`,
    operationId: `${word}Job`,
    tag: 'Jobs',
    summary,
    scope: 'train',
    response: job,
    async handler({ deps, caller, params: { id } }) {
      return showOne(deps, await changeJob(deps, id, () => findJob(deps, caller.tenant, id), change))
    },
  })

export const jobRoutes = [
  route({
    method: 'POST',
    path: '/v1/jobs',
    operationId: 'createJob',
    tag: 'Jobs',
    summary: 'Start a job',
    description: 'With an `Idempotency-Key` header the same request again answers the job that was made first.',
    scope: 'train',
    headers: { 'Idempotency-Key': idempotencyKey },
    body: jobSpec,
    example: {
      type: 'grpo',
      model: 'student',
      data: { labelled: 'word-problems', unlabelled: 'more-problems', canary: 'held-back' },
      reward: { lambda: 1, mu: 1, verifier: 'math', judge: 'maths' },
      config: {
        steps: 100,
        prompts_per_step: 16,
        group_size: 8,
        learning_rate: 1e-5,
        max_prompt_tokens: 256,
        max_new_tokens: 128,
      },
    },
    response: job,
    async handler({ deps, caller, body, request }) {
      const key = request.headers.get('idempotency-key')
      if (key !== null) parse(idempotencyKey, key, 'Idempotency-Key')
      return showOne(deps, await createJob(deps, caller, body, key))
    },
  }),
  route({
    method: 'GET',
    path: '/v1/jobs',
    operationId: 'listJobs',
    tag: 'Jobs',
    summary: 'List jobs, newest first',
    scope: 'train',
    query: pageQuery({ state: v.optional(v.picklist(JOB_STATES)), type: v.optional(v.picklist(JOB_TYPES)) }),
    response: listOf(job),
    async handler({ deps, caller, query }) {
      const { rows, more } = await deps.database.jobs.list(caller.tenant, query)
      const steps = await deps.database.jobs.lastStep(rows.map((row) => row.id))
      return { object: 'list', data: rows.map((row) => showJob(row, steps.get(row.id))), has_more: more }
    },
  }),
  route({
    method: 'GET',
    path: '/v1/jobs/:id',
    operationId: 'getJob',
    tag: 'Jobs',
    summary: 'Get a job',
    scope: 'train',
    response: job,
    handler: async ({ deps, caller, params }) => showOne(deps, await findJob(deps, caller.tenant, params.id)),
  }),
  route({
    method: 'DELETE',
    path: '/v1/jobs/:id',
    operationId: 'deleteJob',
    tag: 'Jobs',
    summary: 'Delete a finished job with its checkpoints',
    description:
      'What it reported goes at once. A checkpoint that a model or another job names stays, and goes with the last of them.',
    scope: 'train',
    response: deleted,
    async handler({ deps, caller, params }) {
      for (;;) {
        const row = await findJob(deps, caller.tenant, params.id)
        if (!isTerminal(row.state)) {
          const message = `Job ${row.id} is ${row.state}. Cancel it and wait for it to end, then delete it.`
          throw new GavelError('conflict', message, { param: 'id' })
        }
        if (!(await deps.database.jobs.remove(row, deps.clock.now()))) continue
        await collectJob(deps, row)
        deps.bell.ring(row.id)
        return { id: row.id, object: 'job', deleted: true }
      }
    },
  }),
  changeRoute('cancel', 'Cancel a job; a running one ends at its next heartbeat', cancel),
  changeRoute('pause', 'Pause a job; a running one first commits a checkpoint', pause),
  changeRoute('resume', 'Resume a paused or failed job from its last checkpoint', resume),
  route({
    method: 'GET',
    path: '/v1/jobs/:id/events',
    operationId: 'listJobEvents',
    tag: 'Jobs',
    summary: 'What happened to a job, oldest first',
    description:
      'With `Accept: text/event-stream` the events come as they happen, until the job has ended and the stream closes ' +
      'with `data: [DONE]`. `Last-Event-ID` goes on after an event.',
    scope: 'train',
    headers: { 'Last-Event-ID': v.pipe(v.string(), v.description('For a stream: go on after this event.')) },
    query: pageQuery({}, 100),
    response: listOf(jobEvent),
    async handler({ deps, caller, params, query, request }) {
      const row = await findJob(deps, caller.tenant, params.id)
      if (request.headers.get('accept')?.includes('text/event-stream')) {
        const mayRead = () =>
          authenticate(deps, request, 'train', undefined).then(
            () => true,
            (error: GavelError) => error.code !== 'unauthorized' && error.code !== 'forbidden',
          )
        return streamEvents(deps, row.id, request.headers.get('last-event-id') ?? query.after, request.signal, mayRead)
      }
      return page(
        query,
        (p) => deps.database.jobs.events(row.id, p),
        (event) => event,
      )
    },
  }),
  route({
    method: 'GET',
    path: '/v1/jobs/:id/metrics',
    operationId: 'listJobMetrics',
    tag: 'Jobs',
    summary: 'The numbers of each step, in order',
    scope: 'train',
    query: pageQuery({}, 1000),
    response: listOf(v.object({ id: v.string(), ...metricPoint.entries })),
    async handler({ deps, caller, params, query }) {
      const { id } = await findJob(deps, caller.tenant, params.id)
      return page(
        query,
        (p) => deps.database.jobs.metrics(id, p),
        (point) => ({ id: String(point.step), ...point }),
      )
    },
  }),
  route({
    method: 'GET',
    path: '/v1/jobs/:id/samples',
    operationId: 'listJobSamples',
    tag: 'Jobs',
    summary: 'Rollouts that the worker kept for people to read',
    scope: 'train',
    query: pageQuery({ step: v.optional(integer(0, 1_000_000, 'Only those of this step.')) }),
    response: listOf(v.object({ id: v.string(), ...sample.entries })),
    async handler({ deps, caller, params, query }) {
      const { id } = await findJob(deps, caller.tenant, params.id)
      return page(
        query,
        (p) => deps.database.jobs.samples(id, { ...p, step: query.step }),
        (row) => row,
      )
    },
  }),
  route({
    method: 'GET',
    path: '/v1/jobs/:id/compare',
    operationId: 'compareEvals',
    tag: 'Jobs',
    summary: 'Compare two evaluations of one dataset, row by row',
    description:
      'Which of the two solved which rows, the difference (the other’s share minus this one’s: put the one before into the ' +
      'path, the one after into `with`) with its 95 % interval, and McNemar’s exact test of it. Both ' +
      'must have succeeded, with one answer a row; rows are paired by their line in the dataset.',
    scope: 'train',
    query: fields({ with: reference('The other evaluation, by its job’s id.') }),
    response: evalComparison,
    async handler({ deps, caller, params, query }) {
      const find = (id: string) => findJob(deps, caller.tenant, id)
      const [a, b] = await Promise.all([find(params.id), find(query.with)])
      return compareEvals(deps, a, b)
    },
  }),
  route({
    method: 'GET',
    path: '/v1/jobs/:id/checkpoints',
    operationId: 'listJobCheckpoints',
    tag: 'Jobs',
    summary: "A job's checkpoints, newest first",
    scope: 'train',
    query: pageQuery(),
    response: listOf(checkpoint),
    async handler({ deps, caller, params, query }) {
      const { id } = await findJob(deps, caller.tenant, params.id)
      return page(query, (p) => deps.database.checkpoints.list(caller.tenant, id, p), showCheckpoint)
    },
  }),
]
