import type { NumberedRow } from '../../core/datasets/dataset-rows.ts'
import type { Judgment } from '../../core/judges/probability.ts'
import type { JudgeItem, Renderer } from '../../core/judges/template.ts'
import type { Clock, ProgramRunner } from '../../core/ports.ts'
import type { JudgeRole } from '../../core/rewards/reward-rows.ts'
import type { EventPost, Sample } from '../../core/schemas/job.ts'
import type { ModelFolder } from '../models/source.ts'
import type { Device } from '../runtime/device.ts'

/** Beside the files of a checkpoint: what an algorithm needs to go on exactly. Its own, and JSON. */
export type RunState = Record<string, unknown>

/** What a run goes on from. */
export interface Resume {
  step: number
  state: RunState
  /** Where the checkpoint's files lie. */
  folder: string
}

/** A run was asked to stop, and did so where it can go on: training has committed a checkpoint, an evaluation starts over. */
export class RunStopped extends Error {}

/** Where checkpoints are written and kept. Two of one `volume` share their room. */
export interface StorageRoom {
  /** The worker's own disk, where a checkpoint lies until it is uploaded. */
  scratch: { freeBytes: number; volume: string | null }
  /** The object store: the largest object that it takes, and its room where that is known. */
  store: { objectBytes: number; freeBytes: number | null; volume: string | null }
}

/** An algorithm's whole surroundings. Everything it reads or says goes through here. */
export interface RunContext {
  clock: Clock
  threads: number | undefined
  /** What models are computed on; by default the CPU. */
  device?: Device | undefined
  /** What a job may take that names no `memory_budget_mb` of its own, in MB. */
  memoryBudgetMb?: number | undefined
  /** Most bytes of one file of a checkpoint. */
  shardBytes?: number | undefined
  /** What there is room for; absent where nobody knows. */
  storage?: StorageRoom | undefined
  resume: Resume | null
  /** Opens the model the job names, or the judge's. */
  openModel(): Promise<ModelFolder>
  /** The rows of a dataset by its role in the spec. There may be a million: they are not all held at once. */
  rows(role: string): Rows
  /** Asks the job's judge, or the reranker of its recipe; one outcome an item, in order. */
  judge(items: JudgeItem[], role?: JudgeRole): Promise<Judgment[]>
  /** How the judges of the job's `fallback_reward` are asked, where it has one. */
  fallback?: Pick<RunContext, 'judge' | 'judgedElsewhere'>
  /** Whether every judge it has is asked over the network, and may answer while this process computes. */
  judgedElsewhere?: boolean
  /** How it is asked, where the job has one. */
  judgeWords?: Renderer
  /** Runs the programs that answers are. */
  programs: ProgramRunner
  metrics(step: number, values: Record<string, number>): void
  event(level: EventPost['level'], message: string, data?: EventPost['data']): void
  samples(rows: Sample[]): void
  /** Commits a checkpoint: `write` puts its files into a fresh folder. Resolves when it is safe. */
  checkpoint(step: number, state: RunState, write: (folder: string) => void): Promise<void>
  /** True once the run should commit what it has and stop. */
  stopRequested(): boolean
}

export type { NumberedRow }

/** Rows by their index, or in order. An array is such. */
export interface Rows extends Iterable<NumberedRow> {
  readonly length: number
  at(index: number): NumberedRow | undefined
}
