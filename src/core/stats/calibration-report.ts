import { mean } from '../moments.ts'
import { SeededRng } from '../rl/seeded-rng.ts'
import { shuffledIndices } from '../rl/shuffled-indices.ts'
import type { CalibrationMap, CalibrationMethod, CalibrationReport } from '../schemas/judge-jobs.ts'
import { calibrate, fitIsotonic, fitPlatt, type WeightedGrade } from './calibration-map.ts'
import { wilsonInterval } from './wilson-interval.ts'

/** A judge's probability beside the truth, and the question it belongs to: answers to one are no independent draws. */
export interface GradedAnswer {
  score: number
  correct: boolean
  question: string
}

export interface StudyOptions {
  folds: number
  bins: number
  bootstrap: number
  seed: number
}

const FITS = { platt: fitPlatt, isotonic: fitIsotonic } satisfies Record<
  CalibrationMethod,
  (rows: readonly WeightedGrade[]) => CalibrationMap
>

export interface CalibrationStudy {
  before: CalibrationReport
  /** On held-out folds. */
  methods: Record<CalibrationMethod, CalibrationReport>
  /** Fitted to all rows. */
  maps: Record<CalibrationMethod, CalibrationMap>
}

/**
 * What calibrating would do: each method is judged on rows whose questions its map never saw. Intervals are bootstrap
 * percentiles over questions, from the same resamples before and after, with the maps held fixed.
 *
 * @throws RangeError unless every fold's training rows hold right and wrong answers
 */
export function calibrationStudy(rows: readonly GradedAnswer[], options: StudyOptions): CalibrationStudy {
  const held = heldOut(rows, options)
  const resamples = questionResamples(rows, options)
  const report = (scores: readonly number[]) => calibrationReport(rows, scores, resamples, options.bins)
  return {
    before: report(rows.map(({ score }) => score)),
    methods: { platt: report(held.platt), isotonic: report(held.isotonic) },
    maps: { platt: fitPlatt(rows), isotonic: fitIsotonic(rows) },
  }
}

/** Each row's score through the map of the folds that do not hold its question. */
function heldOut(rows: readonly GradedAnswer[], { folds, seed }: StudyOptions): Record<CalibrationMethod, number[]> {
  const questions = [...new Set(rows.map(({ question }) => question))]
  const order = shuffledIndices(questions.length, new SeededRng(seed, 'folds'))
  const foldOf = new Map([...order].map((index, i) => [questions[index], i % folds]))
  const result = { platt: rows.map(() => 0), isotonic: rows.map(() => 0) }
  for (let fold = 0; fold < Math.min(folds, questions.length); fold++) {
    const inFold = rows.map(({ question }) => foldOf.get(question) === fold)
    const training = rows.filter((_, i) => !inFold[i])
    if (!training.some(({ correct }) => correct) || training.every(({ correct }) => correct)) {
      throw new RangeError('the rows outside a fold are all right or all wrong')
    }
    for (const method of ['platt', 'isotonic'] as const) {
      const map = FITS[method](training)
      rows.forEach(({ score }, i) => {
        if (inFold[i]) result[method][i] = calibrate(map, score)
      })
    }
  }
  return result
}

/** For each resample, how often each row counts: whole questions are drawn with replacement. */
function questionResamples(rows: readonly GradedAnswer[], { bootstrap, seed }: StudyOptions): Uint16Array[] {
  const index = new Map<string, number>()
  const own = rows.map(({ question }) => index.get(question) ?? (index.set(question, index.size), index.size - 1))
  const rng = new SeededRng(seed, 'bootstrap')
  return Array.from({ length: bootstrap }, () => {
    const counts = new Uint16Array(index.size)
    for (let i = 0; i < index.size; i++) counts[Math.floor(rng.uniform() * index.size)]!++
    return Uint16Array.from(own, (question) => counts[question]!)
  })
}

const METRICS = ['auc', 'accuracy', 'ece', 'brier'] as const
type Metrics = Record<(typeof METRICS)[number], number | null>

/** @param resamples how often each row counts, once a resample */
export function calibrationReport(
  rows: readonly { correct: boolean }[],
  scores: readonly number[],
  resamples: readonly Uint16Array[],
  bins: number,
): CalibrationReport {
  const sorted = rows
    .map(({ correct }, index) => ({ index, score: scores[index]!, correct }))
    .sort((a, b) => a.score - b.score)
  const all = metricsOf(sorted, () => 1, bins)
  const drawn = resamples.map((weights) => metricsOf(sorted, ({ index }) => weights[index]!, bins))
  const intervals = METRICS.map((metric) => {
    const value = all[metric]
    const values = drawn.flatMap((metrics) => metrics[metric] ?? []).sort((a, b) => a - b)
    if (value === null || values.length === 0) return [metric, null] as const
    return [metric, { value, low: quantile(values, 0.025), high: quantile(values, 0.975) }] as const
  })
  const measured = Object.fromEntries(intervals) as Pick<CalibrationReport, keyof Metrics>
  return { ...measured, reliability: reliability(sorted, bins) }
}

/**
 * Weighted AUC (ties counted half), accuracy at 0.5, expected calibration error over bins of equal width (Naeini et
 * al. 2015) and Brier score. Null where nothing is weighed, and AUC unless there is both right and wrong.
 *
 * @param sorted by rising score
 */
export function metricsOf<T extends { score: number; correct: boolean }>(
  sorted: readonly T[],
  weightOf: (row: T) => number,
  bins: number,
): Metrics {
  const gaps = new Float64Array(bins)
  let [right, wrong, hits, squares, pairs] = [0, 0, 0, 0, 0]
  for (let start = 0, end = 0; start < sorted.length; start = end) {
    const { score } = sorted[start]!
    let [rightHere, wrongHere] = [0, 0]
    for (let tied = sorted[end]; tied?.score === score; tied = sorted[++end]) {
      if (tied.correct) rightHere += weightOf(tied)
      else wrongHere += weightOf(tied)
    }
    pairs += rightHere * (wrong + wrongHere / 2)
    right += rightHere
    wrong += wrongHere
    hits += score >= 0.5 ? rightHere : wrongHere
    squares += rightHere * (1 - score) ** 2 + wrongHere * score ** 2
    gaps[binOf(score, bins)]! += rightHere - score * (rightHere + wrongHere)
  }
  const total = right + wrong
  if (total === 0) return { auc: null, accuracy: null, ece: null, brier: null }
  return {
    auc: right > 0 && wrong > 0 ? pairs / (right * wrong) : null,
    accuracy: hits / total,
    ece: gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / total,
    brier: squares / total,
  }
}

const binOf = (score: number, bins: number) => Math.min(bins - 1, Math.floor(score * bins))

function reliability(
  rows: readonly { score: number; correct: boolean }[],
  bins: number,
): CalibrationReport['reliability'] {
  const held = Map.groupBy(rows, ({ score }) => binOf(score, bins))
  return Array.from({ length: bins }, (_, bin) => {
    const own = held.get(bin) ?? []
    const n = own.length
    const correct = own.filter((row) => row.correct).length
    return {
      from: bin / bins,
      to: (bin + 1) / bins,
      n,
      mean_probability: mean(own.map(({ score }) => score)),
      share_correct: n === 0 ? null : correct / n,
      ...wilsonInterval(correct, n),
    }
  })
}

/** The q-quantile of rising values, linear between them (Hyndman and Fan's type 7). */
export function quantile(sorted: readonly number[], q: number): number {
  const at = q * (sorted.length - 1)
  const below = Math.floor(at)
  const above = Math.min(below + 1, sorted.length - 1)
  const [low, high] = [sorted[below]!, sorted[above]!]
  return low + (at - below) * (high - low)
}
