import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { rowScores, SCORES_FILE, type EvalComparison, type EvalSpec, type RowScores } from '../../core/schemas/eval.ts'
import { mcnemar, pairedDifference } from '../../core/stats/mcnemar.ts'
import type { JobRow } from '../database.ts'
import type { Deps } from '../deps.ts'

/**
 * Compares two finished evaluations of one dataset row by row: which of them solved which rows, and whether the
 * difference, after (`b`) less before (`a`), is more than chance (McNemar's exact test).
 *
 * @throws GavelError `unprocessable` (param `with`) where the two have no rows to pair
 */
export async function compareEvals(deps: Deps, a: JobRow, b: JobRow): Promise<EvalComparison> {
  const [specA, specB] = [finishedEval(a), finishedEval(b)]
  if (specA.dataset !== specB.dataset)
    throw refused(
      `${a.id} is over ${specA.dataset} and ${b.id} over ${specB.dataset}; compare evaluations of one dataset`,
    )
  if (specA.verifier && specB.verifier && specA.verifier !== specB.verifier)
    throw refused(
      `${a.id} was verified by '${specA.verifier}' and ${b.id} by '${specB.verifier}'; use the same for both`,
    )
  const [rowsA, rowsB] = await Promise.all([a, b].map((job) => scoresOf(deps, job)))
  return { object: 'eval.comparison', a: a.id, b: b.id, ...compareRows(rowsA!, rowsB!) }
}

/** @throws GavelError `unprocessable` where no row has a verdict by both */
export function compareRows(rowsA: readonly RowScores[], rowsB: readonly RowScores[]) {
  const by = [rowsA, rowsB].every((rows) => rows.some(({ correct }) => correct)) ? 'verifier' : 'judge'
  const others = new Map(rowsB.map((row) => [row.line, solved(row, by)]))
  const pairs = rowsA.flatMap((row) => {
    const [one, other] = [solved(row, by), others.get(row.line) ?? null]
    return one === null || other === null ? [] : [[one, other] as const]
  })
  const n = pairs.length
  if (n === 0) throw refused('the two evaluations have no row on which both have a verdict')
  const count = (one: boolean, other: boolean) => pairs.filter(([a, b]) => a === one && b === other).length
  const [both, onlyA, onlyB] = [count(true, true), count(true, false), count(false, true)]
  const withVerdict = (rows: readonly RowScores[]) => rows.filter((row) => solved(row, by) !== null).length
  return {
    by,
    n,
    left_out: withVerdict(rowsA) + withVerdict(rowsB) - 2 * n,
    both,
    only_a: onlyA,
    only_b: onlyB,
    neither: n - both - onlyA - onlyB,
    accuracy_a: (both + onlyA) / n,
    accuracy_b: (both + onlyB) / n,
    ...pairedDifference(onlyB, onlyA, n),
    p_value: mcnemar(onlyA, onlyB),
  } as const
}

/** Whether a row's one answer is right, or accepted by the judge; null where that is not known. */
function solved({ correct, judge }: RowScores, by: 'verifier' | 'judge'): boolean | null {
  if (by === 'verifier') return correct && correct[0]!
  const probability = judge?.[0] ?? null
  return probability === null ? null : probability >= 0.5
}

function finishedEval({ id, spec, state }: JobRow): EvalSpec {
  if (spec.type !== 'eval') throw refused(`${id} is a job of type ${spec.type}; name two evaluations`)
  if (state !== 'succeeded') throw refused(`${id} is ${state}; wait until it has succeeded`)
  if (spec.config.group_size > 1)
    throw refused(
      `${id} drew ${spec.config.group_size} answers to each row; compare evaluations with one (group_size 1)`,
    )
  return spec
}

async function scoresOf({ database, blobs }: Deps, job: JobRow): Promise<RowScores[]> {
  const checkpoint = await database.checkpoints.newest(job.id)
  const bytes = checkpoint && (await blobs.get(`${checkpoint.prefix}/${SCORES_FILE}`))
  if (!bytes) throw refused(`the rows of ${job.id} (${SCORES_FILE} of its checkpoint) are gone; evaluate again`)
  const lines = new TextDecoder().decode(bytes).split('\n').filter(Boolean)
  return lines.map((line) => v.parse(rowScores, JSON.parse(line)))
}

const refused = (message: string) => new GavelError('unprocessable', `${message}.`, { param: 'with' })
