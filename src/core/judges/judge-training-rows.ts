import type { Rng } from '../ports.ts'
import { SeededRng } from '../rl/seeded-rng.ts'
import { shuffledIndices } from '../rl/shuffled-indices.ts'
import type { DatasetRow } from '../schemas/dataset.ts'
import type { Judge } from '../schemas/judge.ts'
import { renderJudgment } from './template.ts'

/** An answer with the truth about it: what a judge is taught and measured on. */
export interface GradedAnswer {
  question: string
  answer: string
  correct: boolean
}

export interface TrainingRowOptions {
  template: Judge['template']
  labels: Judge['labels']
  seed: number
  /** Cut answers, as a share of the wrong ones; 0 leaves them out. Default 0.2. */
  truncated?: number
  /** Right answers of other questions, likewise; half of them with the other question before them. Default 0.1. */
  misplaced?: number
}

/** A rare verdict is repeated until both are equally frequent, but no row more often than this. */
const MOST_REPEATS = 8

/**
 * Rows of SFT that teach a model to judge: messages as the judge will see them, and the label it should say. Answers
 * that occur twice count once. Yes and No come equally often, also within a question that has both; some right answers
 * appear again without their ends, as No, which is what keeps a judge from being pleased by beginnings (arXiv
 * 2507.08794), and some under another question, or after that question was put and answered in place of the judge's own.
 *
 * @throws RangeError unless there are right and wrong answers
 */
export function judgeTrainingRows(graded: readonly GradedAnswer[], options: TrainingRowOptions): DatasetRow[] {
  const { template, labels, seed, truncated = 0.2, misplaced = 0.1 } = options
  const known = [...new Map(graded.map((row) => [JSON.stringify([row.question, row.answer]), row])).values()]
  const right = known.filter((row) => row.correct)
  const wrong = known.filter((row) => !row.correct)
  if (right.length === 0 || wrong.length === 0) {
    throw new RangeError(
      `a judge is taught on right and wrong answers; of ${known.length} different ones ${right.length} are right`,
    )
  }
  const rng = new SeededRng(seed, 'judge-training')
  const cut = shuffled(right, rng).flatMap((row) => cutShort(row, rng) ?? [])
  const share = (of: number) => Math.round((of / (1 - truncated - misplaced)) * wrong.length)
  const others = misplaced > 0 ? atOtherQuestions(right, rng) : []
  const refused = [...wrong, ...cut.slice(0, share(truncated)), ...others.slice(0, share(misplaced))]
  return shuffled(balanced(right, refused, rng).flat(), rng).map((row) => ({
    messages: renderJudgment(template, labels, row),
    completion: row.correct ? labels.yes : labels.no,
  }))
}

/**
 * As many rows of one kind as of the other: first within each question that has both, where knowing which questions are
 * hard then earns nothing; then over all, by more of the rarer kind from any question, for what those with one kind only
 * have too much.
 */
function balanced(right: readonly GradedAnswer[], wrong: readonly GradedAnswer[], rng: Rng): GradedAnswer[][] {
  const kinds = [right, wrong]
  const questions = kinds.map((rows) => Map.groupBy(rows, ({ question }) => question))
  const even = questions.map((own, kind) =>
    [...own].flatMap(([question, rows]) => drawn(rows, often(rows, questions[1 - kind]!.get(question) ?? []), rng)),
  )
  return even.map((rows, kind) => {
    const count = often(rows, even[1 - kind]!)
    return count > rows.length ? [...rows, ...drawn(kinds[kind]!, count - rows.length, rng)] : drawn(rows, count, rng)
  })
}

/** How often rows of one kind are to come beside those of the other: as often, but none more than `MOST_REPEATS` times. */
function often(rows: readonly unknown[], others: readonly unknown[]): number {
  if (others.length === 0) return rows.length
  return Math.min(Math.max(rows.length, others.length), MOST_REPEATS * Math.min(rows.length, others.length))
}

/** `count` rows in random order, each as often as any other but for one. */
function drawn<T>(rows: readonly T[], count: number, rng: Rng): T[] {
  const order = shuffled(rows, rng)
  return Array.from({ length: count }, (_, i) => order[i % order.length]!)
}

const shuffled = <T>(rows: readonly T[], rng: Rng): T[] => [...shuffledIndices(rows.length, rng)].map((i) => rows[i]!)

/** Right answers under questions that they are no answer to: as they stand, or after their own question. */
function atOtherQuestions(right: readonly GradedAnswer[], rng: Rng): GradedAnswer[] {
  const asked = shuffled(right, rng)
  return shuffled(right, rng).flatMap(({ question, answer }, i) => {
    const other = asked[i]!.question
    if (other === question) return []
    return [{ question: other, answer: i % 2 ? `${question}\n${answer}` : answer, correct: false }]
  })
}

/** The answer without its end: some of its words, never all. Null where it has one word only. */
function cutShort(row: GradedAnswer, rng: Rng): GradedAnswer | null {
  const ends = [...row.answer.matchAll(/\S+/g)].map(({ index, 0: word }) => index + word.length)
  if (ends.length < 2) return null
  return { ...row, answer: row.answer.slice(0, ends[Math.floor(rng.uniform() * (ends.length - 1))]), correct: false }
}
