import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import type { ScoredItem } from '../../core/judges/score-items.ts'
import type { JudgeItem } from '../../core/judges/template.ts'
import type { LeasedJob } from '../../core/schemas/worker.ts'
import { commitCheckpoint } from './commit-checkpoint.ts'
import { fitEvent, fitPoint, fitSample, inPosts, isRefusal, jsonBytes } from './fit-reports.ts'
import { jobErrorOf } from './job-error.ts'
import type { Ending, Report, ToJob } from './job-messages.ts'
import { prepareJob, type JobSurroundings } from './prepare-job.ts'
import { runInProcess } from './run-in-process.ts'
import type { ProcessLimits } from './watch-process.ts'
import { LeaseLost } from './worker-api.ts'

export interface WorkerOptions extends JobSurroundings {
  /** The worker's name, for people. */
  name: string
  /** Where fetched files and checkpoints on their way are kept; emptied job by job. */
  workspace: string
  /** Ends the loop: the job under way commits a checkpoint and is given back. */
  signal: AbortSignal
  log: (line: string) => void
  limits: ProcessLimits
  /** All that the process of a job gets of an environment. */
  environment: NodeJS.ProcessEnv
}

const LEASE_WAIT_SECONDS = 20
const PAUSE_AFTER_ERROR_MS = 2000
/** A beat also hears of a cancel or a pause, so it comes oftener than the lease needs. */
const MAX_BEAT_SECONDS = 5
/** Answers that the API is asked to have judged in one call: what is judged is cached, so a broken call costs little. */
const JUDGE_AT_ONCE = { rows: 128, bytes: 8e6 }
/** A result of less is not refused for its size. */
const RESULT_BYTES = 100_000

/** Takes jobs and runs them, one at a time, until told to stop. Failures of one job or call never end it. */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { api, name, signal, log } = options
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
  const { api, log } = options
  const calls = api.job(job)
  const workspace = join(options.workspace, `${job.id}-${job.fence}`)
  const pausing = new AbortController()
  const stop = AbortSignal.any([options.signal, pausing.signal])
  /** Aborted once the work is of no use to anyone: the job is cancelled, or another worker's. */
  const over = new AbortController()
  const late = () => setTimeout(() => over.abort(new ShutDown()), options.limits.graceSeconds * 1000)
  let deadline: NodeJS.Timeout | undefined
  const onShutDown = () => (deadline = late())
  options.signal.addEventListener('abort', onShutDown, { once: true })
  log(`worker: ${job.id} (${job.type}), attempt ${job.attempt}`)

  const heart = setInterval(() => void beat(), Math.min(job.lease_seconds / 3, MAX_BEAT_SECONDS) * 1000)
  const end = await work().catch(endOf)
  clearInterval(heart)
  clearTimeout(deadline)
  options.signal.removeEventListener('abort', onShutDown)
  log(`worker: ${job.id} ${end.type}${end.type === 'failed' ? `: ${end.error.message}` : ''}`)
  rmSync(workspace, { recursive: true, force: true })
  try {
    if (end.type === 'done') await complete(end.result)
    else if (end.type === 'failed') await calls.fail(end.error, end.retryable)
    else if (end.type === 'stopped') {
      if ('unanswered' in end) {
        const { seconds, at } = end.unanswered
        await warn(`the job was told to stop and did not answer for ${seconds} s while it ${at}, so its process was ended: it goes on from its last checkpoint`) // prettier-ignore
      }
      await calls.release()
    }
  } catch (error) {
    if (!(error instanceof LeaseLost)) throw error
  }

  async function work(): Promise<Ending> {
    mkdirSync(workspace, { recursive: true })
    const { limits, environment } = options
    const tell = (message: string) => void calls.events([{ level: 'info', message }]).catch(() => {})
    const signal = AbortSignal.any([stop, over.signal])
    const order = await prepareJob(job, workspace, options, { tell, signal }).catch((error: unknown) => {
      if (over.signal.aborted) throw over.signal.reason
      if (!stop.aborted) throw error
      return null
    })
    if (!order || stop.aborted) return { type: 'stopped' }
    return runInProcess(order, { report, stop, over: over.signal, limits, environment })
  }

  async function beat(): Promise<void> {
    try {
      const { cancel_requested, pause_requested } = await calls.heartbeat()
      if (cancel_requested) over.abort(new Cancelled())
      else if (pause_requested && !pausing.signal.aborted) {
        pausing.abort()
        await calls.events([{ level: 'info', message: 'pause: the job commits a checkpoint at the end of the step that it is at, and stops' }]) // prettier-ignore
      }
    } catch (error) {
      // A refusal that stands, whatever its reason: this worker has no business here any more.
      const refused = error instanceof LeaseLost || (error instanceof GavelError && !error.retryable)
      if (refused) over.abort(new LeaseLost(error.message))
      else log(`worker: heartbeat of ${job.id}: ${(error as Error).message}`)
    }
  }

  function report(message: Report): Promise<ToJob | void> {
    const REPORTS: { [T in Report['type']]: (message: Extract<Report, { type: T }>) => Promise<ToJob | void> } = {
      async metrics({ point }) {
        const { points, left } = fitPoint(point)
        if (left.length > 0)
          await warn(`step ${point.step}: not reported, since they are no numbers: ${left.join(', ')}`)
        if (points.length > 0) await told(`the metrics of step ${point.step}`, () => calls.metrics(points))
      },
      async event({ event }) {
        await told('an event', () => calls.events([fitEvent(event)]))
      },
      async samples({ samples }) {
        for (const some of inPosts(samples.map(fitSample)))
          await told(`${some.length} samples of step ${some[0]!.step}`, () => calls.samples(some))
      },
      async checkpoint({ step, state, folder }) {
        await commitCheckpoint(api, job, { step, state, folder }, over.signal)
        rmSync(folder, { recursive: true, force: true })
        return { type: 'committed' }
      },
      async used({ request, judge, counts }) {
        await calls.used(judge, counts)
        return { type: 'noted', request }
      },
      async judge({ request, judge, items }) {
        return { type: 'judged', request, judgments: await judgeAll(judge, items) }
      },
    }
    return (REPORTS[message.type] as (message: Report) => Promise<ToJob | void>)(message)
  }

  /** A report that the API refuses is lost, and the job goes on. */
  async function told(what: string, send: () => Promise<unknown>): Promise<void> {
    try {
      await send()
    } catch (error) {
      if (!isRefusal(error)) throw error
      await warn(`the API refused ${what}, which are lost: ${error.message}`)
    }
  }

  async function warn(message: string): Promise<void> {
    log(`worker: ${job.id}: ${message}`)
    await calls.events([fitEvent({ level: 'warning', message })]).catch((error: unknown) => {
      if (!isRefusal(error)) throw error
    })
  }

  async function complete(result: Record<string, unknown>): Promise<void> {
    try {
      await calls.complete(result)
    } catch (error) {
      if (!isRefusal(error) || jsonBytes(result) < RESULT_BYTES) throw error
      await warn(`the API refused the result of the job, which is lost: ${error.message}`)
      await calls.complete({ refused: error.message })
    }
  }

  async function judgeAll(judge: string, items: readonly JudgeItem[]): Promise<ScoredItem[]> {
    const judgments: ScoredItem[] = []
    for (const some of inPosts(items, JUDGE_AT_ONCE)) judgments.push(...(await calls.judge(judge, some)))
    return judgments
  }
}

/** The user wants no more of the job; not even a checkpoint. */
class Cancelled extends Error {}
/** The worker has to leave now: what is not committed is lost. */
class ShutDown extends Error {}

function endOf(error: unknown): Ending | { type: 'lost' } {
  if (error instanceof Cancelled || error instanceof ShutDown) return { type: 'stopped' }
  if (error instanceof LeaseLost) return { type: 'lost' }
  return { type: 'failed', ...jobErrorOf(error) }
}
