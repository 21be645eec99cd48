import type { ScoredItem } from '../../core/judges/score-items.ts'
import type { JudgeItem } from '../../core/judges/template.ts'
import type { UsageCounts } from '../../core/judges/usage-counts.ts'
import type { EventPost, JobError, MetricPoint, Sample } from '../../core/schemas/job.ts'
import type { LeasedJob } from '../../core/schemas/worker.ts'
import type { Resume, RunState } from '../algorithms/run-context.ts'
import type { SourceOptions } from '../models/source.ts'
import type { Device } from '../runtime/device.ts'

/** Settings of a worker that its job processes need. */
export interface EngineOptions extends SourceOptions {
  threads?: number | undefined
  device?: Device | undefined
  /** What a job that names no budget may take, in MB. */
  memoryBudgetMb?: number | undefined
  /** Most bytes of one file of a checkpoint. */
  shardBytes?: number | undefined
}

/** A job with everything fetched that lies in the API's store. */
export interface JobOrder {
  job: LeasedJob
  options: EngineOptions
  /** Role → file. */
  datasets: Record<string, string>
  /** Folders of models that are checkpoints. */
  modelFolder: string | null
  /** By the judge's id. */
  judgeFolders: Record<string, string>
  resume: Resume | null
  /** A folder of this job's own, for checkpoints on their way. */
  workspace: string
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
