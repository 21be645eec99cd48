import type { CheckpointKeep } from '../../core/schemas/training.ts'
import type { CheckpointRow, JobRow } from '../database.ts'
import type { Deps } from '../deps.ts'

/** An evaluation's checkpoint holds all rows so far. */
const NEWEST: CheckpointKeep = { last: 1, best: false }
/** The metrics that say how good a checkpoint is, on rows that are never trained on: a job has one of them, if any. */
const JUDGED_BY = [
  { metric: 'canary/gold', sign: 1, of: 'the canary' },
  { metric: 'validation_loss', sign: -1, of: 'validation_loss' },
] as const

/**
 * Drops the checkpoints of a job that its `keep` has no place for, and that nothing else names, now that another is
 * committed. An event says so of each. Jobs made before there was `keep` keep all.
 * @param job as checked to be under `fence`
 */
export async function keepCheckpoints(deps: Deps, job: JobRow, fence: number): Promise<void> {
  const { database, clock, bell } = deps
  const { keep, checkpoint_every: every = 0 } = settingsOf(job)
  if (!keep) return
  const rows = await database.checkpoints.ofJob(job.id)
  if (rows.length <= keep.last) return
  const { history, of } = keep.best ? await judgedBy(database, job.id) : { history: [], of: '' }
  const best = bestOf(rows, history, every)
  const over = rows.slice(0, -keep.last).filter((row) => row !== best)
  const dropped = await database.checkpoints.removeUnnamed(job.id, over.map(({ id }) => id)) // prettier-ignore
  if (dropped.length === 0) return
  const why = `keep: the last ${keep.last}${keep.best ? `, and the best of ${of}` : ''}`
  const events = dropped.map(({ id, step, manifest }) => ({
    level: 'info' as const,
    key: `dropped/${id}`,
    message: `checkpoint ${id} of step ${step} is dropped (${why})`,
    data: { checkpoint: id, step, bytes: manifest.objects.reduce((sum, { size }) => sum + size, 0) },
  }))
  await database.jobs.postEvents({ job: job.id, fence }, events, clock.now())
  bell.ring(job.id)
}

/** What is known of how good a job was at its steps, larger being better. */
async function judgedBy({ jobs }: Deps['database'], job: string) {
  for (const { metric, sign, of } of JUDGED_BY) {
    const history = await jobs.metricHistory(job, metric)
    if (history.length > 0) return { of, history: history.map(({ step, value }) => ({ step, value: sign * value })) }
  }
  return { of: JUDGED_BY[0].of, history: [] }
}

function settingsOf({ spec }: JobRow): { keep?: CheckpointKeep; checkpoint_every?: number } {
  return spec.type === 'eval' ? { keep: NEWEST } : { ...(spec.config as object | undefined) }
}

/**
 * The earliest checkpoint with the largest value at its step, or at the last one before it that had one since the
 * checkpoint before; null where none has.
 * @param every steps between checkpoints; 0 where there is none but the last
 */
export function bestOf(
  rows: readonly CheckpointRow[],
  history: readonly { step: number; value: number }[],
  every: number,
): CheckpointRow | null {
  let best: { row: CheckpointRow | null; value: number } = { row: null, value: -Infinity }
  for (const row of rows) {
    const seen = history.findLast(({ step }) => step <= row.step && step > row.step - (every || row.step))
    if (seen && seen.value > best.value) best = { row, value: seen.value }
  }
  return best.row
}
