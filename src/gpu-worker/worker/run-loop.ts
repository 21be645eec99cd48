import { fork, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import type { JobError } from '../../core/schemas/job.ts'
import type { LeasedJob, ModelInput } from '../../core/schemas/worker.ts'
import { commitCheckpoint } from '../checkpoint/commit.ts'
import { fetchCheckpoint, fetchObject } from '../checkpoint/fetch.ts'
import type { EngineOptions, FromJob, JobOrder, ToJob } from './job-messages.ts'
import { LeaseLost, type WorkerApi } from './worker-api.ts'

export interface WorkerOptions extends EngineOptions {
  api: WorkerApi
  /** The worker's name, for people. */
  name: string
  /** Where fetched files and checkpoints on their way are kept; emptied job by job. */
  workspace: string
  /** Ends the loop: the job under way commits a checkpoint and is given back. */
  signal: AbortSignal
  log: (line: string) => void
}

const LEASE_WAIT_SECONDS = 20
const PAUSE_AFTER_ERROR_MS = 2000
const JOB_PROCESS = new URL(`./job-process${import.meta.url.slice(-3)}`, import.meta.url)

/** Takes jobs and runs them, one at a time, until told to stop. Failures of one job or call never end it. */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { api, name, signal, log } = options
  mkdirSync(options.workspace, { recursive: true })
  while (!signal.aborted) {
    try {
      const job = await api.lease(name, LEASE_WAIT_SECONDS, signal)
      if (job) await runLeased(job, options)
    } catch (error) {
      if (signal.aborted) break
      log(`worker: ${(error as Error).message}`)
      await new Promise((resolve) => setTimeout(resolve, PAUSE_AFTER_ERROR_MS))
    }
  }
}

/** One lease from start to end: fetch, run in a process of its own, keep the lease, pass on what it reports. */
async function runLeased(job: LeasedJob, options: WorkerOptions): Promise<void> {
  const { api, log, signal } = options
  const calls = api.job(job)
  const workspace = mkdtempSync(join(options.workspace, `${job.id}-`))
  log(`worker: ${job.id} (${job.type}), attempt ${job.attempt}`)
  let child: ChildProcess | undefined
  const tell = (message: ToJob) => child?.connected && child.send(message)
  const stopSoon = () => tell({ type: 'stop' })
  const REPORTS: { [T in Report['type']]: (report: Extract<Report, { type: T }>) => Promise<void> } = {
    metrics: ({ point }) => calls.metrics([point]),
    event: ({ event }) => calls.events([event]),
    samples: ({ samples }) => calls.samples(samples),
    async checkpoint(report) {
      await commitCheckpoint(api, job, report)
      rmSync(report.folder, { recursive: true, force: true })
      tell({ type: 'committed' })
    },
    async judge({ request, items }) {
      tell({ type: 'judged', request, judgments: await calls.judge(job.inputs.judge!.id, items) })
    },
  }

  let end: Ending
  const heart = setInterval(() => void beat(), (job.lease_seconds / 3) * 1000)
  signal.addEventListener('abort', stopSoon)
  try {
    const order = await prepare(job, workspace, options)
    child = fork(JOB_PROCESS, { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    tell({ type: 'start', order })
    if (signal.aborted) stopSoon()
    end = await ending(child, (message) => handle(message))
  } catch (error) {
    end = error instanceof LeaseLost ? { type: 'lost' } : { type: 'failed', ...asJobError(error) }
  } finally {
    clearInterval(heart)
    signal.removeEventListener('abort', stopSoon)
    child?.kill('SIGKILL')
  }
  log(`worker: ${job.id} ${end.type}${end.type === 'failed' ? `: ${end.error.message}` : ''}`)
  try {
    if (end.type === 'done') await calls.complete(end.result)
    else if (end.type === 'failed') await calls.fail(end.error, end.retryable)
    else if (end.type === 'stopped') await calls.release()
  } catch (error) {
    if (!(error instanceof LeaseLost)) throw error
  } finally {
    rmSync(workspace, { recursive: true, force: true })
  }

  async function beat(): Promise<void> {
    try {
      const { cancel_requested, pause_requested } = await calls.heartbeat()
      if (cancel_requested) abandon({ type: 'stopped' })
      else if (pause_requested) stopSoon()
    } catch (error) {
      if (error instanceof LeaseLost) abandon({ type: 'lost' })
      else log(`worker: heartbeat of ${job.id}: ${(error as Error).message}`)
    }
  }

  /** Ends the job process without waiting for a checkpoint. */
  function abandon(as: Ending): void {
    child?.emit('abandoned', as)
  }

  /** Does what a message asks; answers how the job ended where it says so. */
  async function handle(message: FromJob): Promise<Ending | null> {
    if (message.type === 'done' || message.type === 'stopped' || message.type === 'failed') return message
    await (REPORTS[message.type] as (report: Report) => Promise<void>)(message)
    return null
  }
}

type Ending = Extract<FromJob, { type: 'done' | 'stopped' | 'failed' }> | { type: 'lost' }
type Report = Exclude<FromJob, Ending>

/**
 * Handles a job process's messages one after the other, in order, until one of them ends the job, the process
 * dies, or the job is abandoned.
 */
function ending(child: ChildProcess, handle: (message: FromJob) => Promise<Ending | null>): Promise<Ending> {
  return new Promise((resolve, reject) => {
    let queue: Promise<unknown> = Promise.resolve()
    child.on('message', (message: FromJob) => {
      queue = queue.then(async () => {
        const end = await handle(message)
        if (end) resolve(end)
      })
      queue.catch(reject)
    })
    child.on('abandoned', resolve)
    child.on('error', reject)
    child.on('exit', (code, killedBy) => {
      const how = killedBy ? `was killed by ${killedBy} (out of memory?)` : `ended with status ${code}`
      const error = { code: 'internal', message: `the process running the job ${how} before the job was done` }
      void queue.finally(() => resolve({ type: 'failed', error, retryable: true }))
    })
  })
}

/** Fetches datasets, checkpoints and what to resume from, each checked against its hash. */
async function prepare(job: LeasedJob, workspace: string, options: WorkerOptions): Promise<JobOrder> {
  const { api, threads, roots, hub } = options
  const { inputs } = job
  const folderOf = (model: ModelInput | null | undefined, name: string) =>
    model?.type === 'checkpoint' ? fetchCheckpoint(api, model.objects, join(workspace, name)) : null
  const datasets: Record<string, string> = {}
  for (const [role, dataset] of Object.entries(inputs.datasets)) {
    datasets[role] = await fetchObject(api, dataset, join(workspace, `${role}.jsonl`))
  }
  const resume = inputs.resume && {
    step: inputs.resume.step,
    state: inputs.resume.state,
    folder: await fetchCheckpoint(api, inputs.resume.objects, join(workspace, 'resume')),
  }
  return {
    job,
    options: { threads, roots, hub },
    datasets,
    modelFolder: await folderOf(inputs.model, 'model'),
    judgeFolder: await folderOf(inputs.judge?.model, 'judge'),
    resume,
    workspace,
  }
}

function asJobError(error: unknown): { error: JobError; retryable: boolean } {
  if (error instanceof GavelError) {
    return { error: { code: error.code, message: error.message }, retryable: error.retryable }
  }
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC') {
    const text = `the worker's disk is full (${message}); free some space, then resume the job`
    return { error: { code: 'disk_full', message: text }, retryable: true }
  }
  return { error: { code: 'internal', message: `the worker failed: ${message}` }, retryable: true }
}
