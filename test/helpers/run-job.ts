import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Judgment } from '../../src/core/judges/probability.ts'
import type { JudgeItem } from '../../src/core/judges/template.ts'
import type { Clock } from '../../src/core/ports.ts'
import type { DatasetRow } from '../../src/core/schemas/dataset.ts'
import { jobSpec, type LeasedSpec, type Sample } from '../../src/core/schemas/job.ts'
import { parse } from '../../src/core/schemas/parse.ts'
import { runAlgorithm } from '../../src/gpu-worker/algorithms/index.ts'
import { RunStopped, type Resume, type RunContext } from '../../src/gpu-worker/algorithms/run-context.ts'
import { openPath } from '../../src/gpu-worker/models/source.ts'
import { temporaryFolder } from '../../testing/tiny-model-folder.ts'

export interface JobRun {
  metrics: { step: number; values: Record<string, number> }[]
  samples: Sample[]
  events: string[]
  /** Committed checkpoints, in order: what a run can go on from. */
  checkpoints: Resume[]
  /** Null where the run was stopped. */
  result: Record<string, unknown> | null
}

/**
 * Runs a job in this process, on one thread, with a real engine and a judge of the test's own. Times are left out of
 * what it reports, unless it is given a clock.
 * @param stopAfter asks the run to stop after this step
 */
export async function runJob(
  spec: unknown,
  of: {
    model: string
    rows: Record<string, DatasetRow[]>
    /** Its probability, or null where it abstains. */
    judge?: (item: JudgeItem) => number | null
    judgedElsewhere?: boolean
    /** That of the fallback recipe. */
    fallback?: (item: JudgeItem) => number
    resume?: Resume | null
    stopAfter?: number
    onCheckpoint?: (checkpoint: Resume) => void
    clock?: Clock
    shardBytes?: number
  },
): Promise<JobRun> {
  const run: JobRun = { metrics: [], samples: [], events: [], checkpoints: [], result: null }
  const context: RunContext = {
    clock: of.clock ?? { now: () => 0 },
    threads: 1,
    resume: of.resume ?? null,
    openModel: async () => openPath(of.model),
    shardBytes: of.shardBytes,
    rows: (role) => of.rows[role]!.map((row, i) => ({ line: i + 1, row })),
    judge: async (items) => items.map((item) => scored(of.judge!(item))),
    judgedElsewhere: of.judgedElsewhere ?? false,
    ...(of.fallback && { fallback: { judge: async (items) => items.map((item) => scored(of.fallback!(item))) } }),
    programs: { call: () => Promise.reject(new Error('no job of a test runs programs')) },
    metrics: (step, values) => {
      const kept = Object.entries(values).filter(([name]) => of.clock || !name.startsWith('seconds/'))
      run.metrics.push({ step, values: Object.fromEntries(kept) })
    },
    event: (_, message) => run.events.push(message),
    samples: (rows) => run.samples.push(...rows),
    async checkpoint(step, state, write) {
      const folder = join(temporaryFolder(), 'checkpoint')
      mkdirSync(folder)
      write(folder)
      // As JSON, which is all that a manifest keeps.
      const checkpoint = { step, state: JSON.parse(JSON.stringify(state)) as Resume['state'], folder }
      of.onCheckpoint?.(checkpoint)
      run.checkpoints.push(checkpoint)
    },
    stopRequested: () => (run.metrics.at(-1)?.step ?? 0) >= (of.stopAfter ?? Infinity),
  }
  try {
    run.result = await runAlgorithm(parse(jobSpec, spec) as LeasedSpec, context)
  } catch (error) {
    if (!(error instanceof RunStopped)) throw error
  }
  return run
}

/** The hash of every file of a checkpoint. */
export const filesOf = ({ folder }: Resume): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, createHash('sha256').update(readFileSync(join(folder, name))).digest('hex')]), // prettier-ignore
  )

/** A checkpoint's files in a folder of their own, to be spoilt. */
export function copyOf(checkpoint: Resume): Resume {
  const folder = join(temporaryFolder(), 'copy')
  cpSync(checkpoint.folder, folder, { recursive: true })
  return { ...checkpoint, folder }
}

const scored = (probability: number | null): Judgment =>
  (probability === null
    ? { outcome: 'abstained', reason: 'a test wants it so' }
    : { outcome: 'scored', probability, labelMass: 1 }) as Judgment
