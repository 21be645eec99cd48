import type { ScoredItem } from '../../core/judges/score-items.ts'
import type { JudgeItem } from '../../core/judges/template.ts'
import type { UsageCounts } from '../../core/judges/usage-counts.ts'
import type { EventPost, JobError, MetricPoint, Sample } from '../../core/schemas/job.ts'
import type { LeasedJob } from '../../core/schemas/worker.ts'
import type { Resume, RunState } from '../algorithms/run-context.ts'
import type { Stall } from '../progress/progress-watch.ts'
import type { Device } from '../runtime/device.ts'

/** Settings of a worker that its job processes need. No key and no token is among them: they have no network. */
export interface EngineOptions {
  threads?: number | undefined
  device?: Device | undefined
  /** What a job that names no budget may take, in MB. */
  memoryBudgetMb?: number | undefined
  /** Most bytes of one file of a checkpoint. */
  shardBytes?: number | undefined
}

/** A job with everything fetched: its process asks nobody but its parent. */
export interface JobOrder {
  job: LeasedJob
  options: EngineOptions
  /** Role → file. */
  datasets: Record<string, string>
  /** Where the model lies, a folder or a GGUF file; null for jobs about a judge. */
  modelPath: string | null
  /** Where the models of local judges lie, by the judge's id. */
  judgePaths: Record<string, string>
  resume: Resume | null
  /** A folder of this job's own, for checkpoints on their way. */
  workspace: string
  /** Where the process is to tell what it is at (progress-mark.ts). */
  progress: string
}

export type ToJob =
  | { type: 'start'; order: JobOrder }
  | { type: 'stop' }
  | { type: 'committed' }
  | { type: 'judged'; request: number; judgments: ScoredItem[] }
  | { type: 'noted'; request: number }

export type FromJob =
  | { type: 'metrics'; point: MetricPoint }
  | { type: 'event'; event: EventPost }
  | { type: 'samples'; samples: Sample[] }
  | { type: 'checkpoint'; step: number; state: RunState; folder: string }
  | { type: 'judge'; request: number; judge: string; items: JudgeItem[] }
  /** A local judge is about to be asked, or was. */
  | { type: 'used'; request: number; judge: string; counts: UsageCounts }
  | { type: 'done'; result: Record<string, unknown> }
  | { type: 'stopped' }
  | { type: 'failed'; error: JobError; retryable: boolean }

export type Said = Extract<FromJob, { type: 'done' | 'stopped' | 'failed' }>
/** What a job's process says on the way. */
export type Report = Exclude<FromJob, Said>
/** How it ended its work. `unanswered`: it was told to stop and did not, so that it was ended. */
export type Ending = Said | { type: 'stopped'; unanswered: Stall }
