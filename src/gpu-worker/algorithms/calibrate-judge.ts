import { GavelError } from '../../core/errors.ts'
import type { Judgment } from '../../core/judges/probability.ts'
import type { JudgeItem } from '../../core/judges/template.ts'
import type { CalibrationReport, JudgeCalibrateResult, JudgeCalibrateSpec } from '../../core/schemas/judge-jobs.ts'
import { completionOf } from '../../core/schemas/dataset.ts'
import { calibrationStudy, type GradedAnswer } from '../../core/stats/calibration-report.ts'
import { COMPARISONS } from '../../core/verifiers/index.ts'
import { firstRows } from './prepared-rows.ts'
import { questionOf } from './prompts.ts'
import { requireScores } from './require-scores.ts'
import { RunStopped, type NumberedRow, type RunContext } from './run-context.ts'

/** Rows judged between two reports of progress. */
const CHUNK = 128
/** Fewer right or wrong answers than this say nothing that a calibration could rest on. */
const MIN_OF_EACH = 10

interface Graded {
  item: JudgeItem
  correct: boolean
}

/**
 * Asks a judge about answers whose truth is known, and finds the map from its probabilities to the share that is right.
 * Asked to stop, it keeps nothing; what was judged through the API is cached.
 *
 * @throws GavelError `bad_dataset_line` for a row without truth; `invalid_request` where there are too few of a kind
 */
export async function calibrateJudge(spec: JudgeCalibrateSpec, context: RunContext): Promise<JudgeCalibrateResult> {
  const { config } = spec
  const graded = Array.from(firstRows(context.rows('dataset'), config.limit), (row) => gradedRow(row, spec))
  const judgments: Judgment[] = []
  for (let from = 0; from < graded.length; from += CHUNK) {
    if (context.stopRequested()) throw new RunStopped(`stopped after ${from} rows`)
    const chunk = graded.slice(from, from + CHUNK)
    const judged = await context.judge(chunk.map(({ item }) => item))
    if (judged.every(({ outcome }) => outcome === 'failed')) requireScores(`rows from ${from + 1}`, judged)
    judgments.push(...judged)
    context.metrics(judgments.length, { 'judge/done': judgments.length })
  }
  const answers = judgments.flatMap((judgment, i): GradedAnswer[] => {
    const { item, correct } = graded[i]!
    // The map is from what the judge said, not from what an earlier calibration made of it.
    return judgment.outcome === 'scored'
      ? [{ score: judgment.raw ?? judgment.probability, correct, question: item.question }]
      : []
  })
  const { before, methods, maps } = study(answers, config)
  const better = (methods.isotonic.brier?.value ?? 1) < (methods.platt.brier?.value ?? 1) ? 'isotonic' : 'platt'
  const method = spec.method ?? better
  const count = (outcome: Judgment['outcome']) => judgments.filter((judgment) => judgment.outcome === outcome).length
  return {
    informative: tellsApart(before),
    rows: graded.length,
    scored: count('scored'),
    abstained: count('abstained'),
    failed: count('failed'),
    questions: new Set(answers.map(({ question }) => question)).size,
    correct: answers.filter(({ correct }) => correct).length,
    map: maps[method],
    before,
    after: methods[method],
    methods,
  }
}

/** Whether a judge is surely better than a coin: else a map of its probabilities would only learn the share that is right. */
const tellsApart = ({ auc }: CalibrationReport) => auc !== null && auc.low > 0.5

function study(answers: readonly GradedAnswer[], config: JudgeCalibrateSpec['config']) {
  const right = answers.filter(({ correct }) => correct).length
  const wrong = answers.length - right
  const few = `the judge scored ${right} right and ${wrong} wrong answers`
  if (Math.min(right, wrong) < MIN_OF_EACH) {
    const message = `dataset: ${few}; a calibration needs at least ${MIN_OF_EACH} of each. Add rows.`
    throw new GavelError('invalid_request', message, { param: 'dataset' })
  }
  try {
    return calibrationStudy(answers, config)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    const message = `dataset: ${few}, but of too few questions: ${cause.message}. Add questions, or lower config.folds.`
    throw new GavelError('invalid_request', message, { param: 'dataset', cause })
  }
}

/** A row's answer and its truth: `correct` where the row says so, else what the verifier says. */
function gradedRow({ line, row }: NumberedRow, { verifier }: JudgeCalibrateSpec): Graded {
  const bad = (why: string, cause?: unknown) =>
    new GavelError('bad_dataset_line', `dataset, line ${line}: ${why}`, { param: 'dataset', cause })
  const { answer } = row
  const completion = completionOf(row)
  if (completion === null) throw bad('there is no `completion` to judge')
  const item = { question: questionOf(row), answer: completion, ...(answer != null && { reference: answer }) }
  const { correct } = row as { correct?: unknown }
  if (typeof correct === 'boolean') return { item, correct }
  if (correct !== undefined) throw bad('`correct` must be true or false')
  if (answer == null) throw bad('give `correct` (true or false), or an `answer` to verify the completion by')
  try {
    return { item, correct: COMPARISONS[verifier].verify({ text: completion, gold: answer }).correct }
  } catch (cause) {
    throw cause instanceof GavelError ? bad(cause.message, cause) : cause
  }
}
