import type { CalibrationMap } from '../schemas/judge-jobs.ts'

/** A probability beside the truth, and how often it counts. */
export interface WeightedGrade {
  /** 0 … 1. */
  score: number
  correct: boolean
  /** ≥ 0; 1 where absent. */
  weight?: number
}

/** Probabilities are kept this far from 0 and 1 before taking their logit. */
const EDGE = 1e-12
const ITERATIONS = 100
const GRADIENT_TOLERANCE = 1e-10

export const logit = (p: number) => Math.log(clamped(p)) - Math.log1p(-clamped(p))
const clamped = (p: number) => Math.min(1 - EDGE, Math.max(EDGE, p))
const sigmoid = (x: number) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)))
/** ln(1 + eˣ), without overflow. */
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))

/** A probability through a calibration. Maps [0, 1] into [0, 1], never reversing an order. */
export function calibrate(map: CalibrationMap, p: number): number {
  if (map.method === 'platt') return sigmoid(map.a * logit(p) + map.b)
  const { x, y } = map
  const right = x.findIndex((at) => at >= p)
  if (right === -1) return y.at(-1)!
  if (right === 0) return y[0]!
  const [x0, y0] = [x[right - 1]!, y[right - 1]!]
  const [x1, y1] = [x[right]!, y[right]!]
  return y0 + ((p - x0) / (x1 - x0)) * (y1 - y0)
}

/**
 * Platt's scaling on the logit: a and b that maximise the likelihood of targets (n₊+1)/(n₊+2) and 1/(n₋+2), which keep
 * separable data finite (Platt 1999), by Newton's method with a halving line search (Lin, Lin and Weng 2007). a is kept
 * from falling below 0: a judge is never turned around.
 *
 * @param rows at least one right and one wrong
 */
export function fitPlatt(rows: readonly WeightedGrade[]): Extract<CalibrationMap, { method: 'platt' }> {
  const weightOf = (row: WeightedGrade) => row.weight ?? 1
  const right = rows.reduce((sum, row) => sum + (row.correct ? weightOf(row) : 0), 0)
  const wrong = rows.reduce((sum, row) => sum + (row.correct ? 0 : weightOf(row)), 0)
  const targets = { true: (right + 1) / (right + 2), false: 1 / (wrong + 2) }
  const data = rows.map((row) => ({ x: logit(row.score), t: targets[`${row.correct}`], w: weightOf(row) }))
  const loss = (a: number, b: number) =>
    data.reduce((sum, { x, t, w }) => sum + w * (softplus(a * x + b) - t * (a * x + b)), 0)

  const minimise = (slopeIsFree: boolean) => {
    let [a, b] = slopeIsFree ? [1, 0] : [0, 0]
    let best = loss(a, b)
    for (let i = 0; i < ITERATIONS; i++) {
      let [ga, gb, haa, hab, hbb] = [0, 0, 1e-12, 0, 1e-12]
      for (const { x, t, w } of data) {
        const p = sigmoid(a * x + b)
        const slope = w * (p - t)
        const curve = w * p * (1 - p)
        ga += slope * x
        gb += slope
        haa += curve * x * x
        hab += curve * x
        hbb += curve
      }
      if (!slopeIsFree) [ga, hab] = [0, 0]
      if (Math.abs(ga) + Math.abs(gb) < GRADIENT_TOLERANCE) break
      const determinant = haa * hbb - hab * hab
      const da = -(hbb * ga - hab * gb) / determinant
      const db = -(haa * gb - hab * ga) / determinant
      let step = 1
      while (step > 1e-10 && !(loss(a + step * da, b + step * db) < best)) step /= 2
      if (step <= 1e-10) break
      a += step * da
      b += step * db
      best = loss(a, b)
    }
    return { a, b }
  }
  const free = minimise(true)
  return { method: 'platt', ...(free.a >= 0 ? free : minimise(false)) }
}

/**
 * Isotonic regression: the rising step function with the least squared error, by pooling adjacent violators (Ayer et
 * al. 1955); equal scores are pooled first. Given as the two ends of each step, linear between steps.
 *
 * @param rows at least one
 */
export function fitIsotonic(rows: readonly WeightedGrade[]): Extract<CalibrationMap, { method: 'isotonic' }> {
  const sorted = rows.filter(({ weight = 1 }) => weight > 0).sort((a, b) => a.score - b.score)
  const blocks: { from: number; to: number; sum: number; weight: number }[] = []
  for (const { score, correct, weight = 1 } of sorted) {
    const last = blocks.at(-1)
    const sum = correct ? weight : 0
    if (last && last.from === score && last.to === score) {
      last.sum += sum
      last.weight += weight
    } else blocks.push({ from: score, to: score, sum, weight })
  }
  const pooled: typeof blocks = []
  for (const block of blocks) {
    pooled.push({ ...block })
    while (pooled.length > 1 && mean(pooled.at(-2)!) >= mean(pooled.at(-1)!)) {
      const { to, sum, weight } = pooled.pop()!
      const before = pooled.at(-1)!
      before.to = to
      before.sum += sum
      before.weight += weight
    }
  }
  const ends = pooled.flatMap((block) => {
    const { from, to } = block
    const y = mean(block)
    return (from === to ? [from] : [from, to]).map((x) => ({ x, y }))
  })
  return { method: 'isotonic', x: ends.map(({ x }) => x), y: ends.map(({ y }) => y) }
}

const mean = ({ sum, weight }: { sum: number; weight: number }) => sum / weight
