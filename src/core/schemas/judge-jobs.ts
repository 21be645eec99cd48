/** `judge.calibrate` and `judge.audit`: what a judge's probabilities are worth, and what fools it. */
import * as v from 'valibot'
import { fields, integer, name, number, reference } from './fields.ts'
import { comparisonName } from './verify.ts'

const seed = v.optional(integer(0, 2 ** 32 - 1, 'Seed of every random choice of the job. Default 0.'), 0)
const verifier = v.optional(comparisonName, 'math')
const judgeReference = reference('The judge, by id or name.')

export const CALIBRATION_METHODS = ['platt', 'isotonic'] as const
export type CalibrationMethod = (typeof CALIBRATION_METHODS)[number]

export const judgeCalibrateSpec = fields({
  type: v.literal('judge.calibrate'),
  name: v.optional(name),
  judge: judgeReference,
  dataset: reference(
    'Dataset, by id or name, whose rows have a `completion` and either `correct` (true or false) or an `answer` for ' +
      'the verifier.',
  ),
  verifier,
  method: v.optional(
    v.pipe(
      v.picklist(CALIBRATION_METHODS),
      v.description('Default: whichever has the lower Brier score on held-out folds.'),
    ),
  ),
  config: v.optional(
    fields({
      seed,
      folds: v.optional(integer(2, 20, 'Folds; a question is never in two. Default 5.'), 5),
      bins: v.optional(integer(2, 50, 'Bins of equal width, of ECE and the reliability diagram. Default 10.'), 10),
      bootstrap: v.optional(integer(100, 10_000, 'Resamples behind each interval. Default 1000.'), 1000),
      limit: v.optional(integer(1, 1_000_000, 'Only the first rows, at most so many. Default all.')),
    }),
    {},
  ),
})
export type JudgeCalibrateSpec = v.InferOutput<typeof judgeCalibrateSpec>

const measured = v.pipe(
  v.nullable(v.object({ value: v.number(), low: v.number(), high: v.number() })),
  v.description('With its 95 % bootstrap interval over questions; null where it is not defined.'),
)
export const calibrationReport = v.object({
  auc: measured,
  accuracy: measured,
  ece: measured,
  brier: measured,
  reliability: v.pipe(
    v.array(
      v.object({
        from: v.number(),
        to: v.number(),
        n: v.number(),
        mean_probability: v.nullable(v.number()),
        share_correct: v.nullable(v.number()),
        low: v.number(),
        high: v.number(),
      }),
    ),
    v.description('A reliability diagram: by bin, the mean probability beside the share that is right.'),
  ),
})
export type CalibrationReport = v.InferOutput<typeof calibrationReport>

export const calibrationMap = v.variant('method', [
  v.object({
    method: v.literal('platt'),
    a: v.pipe(v.number(), v.description('calibrated = 1 / (1 + exp(−(a·logit p + b))).')),
    b: v.number(),
  }),
  v.object({
    method: v.literal('isotonic'),
    x: v.pipe(v.array(v.number()), v.description('Probabilities, rising.')),
    y: v.pipe(v.array(v.number()), v.description('What each becomes; linear between, constant beyond.')),
  }),
])
export type CalibrationMap = v.InferOutput<typeof calibrationMap>

const calibrateEntries = {
  informative: v.pipe(
    v.optional(v.boolean()),
    v.description(
      'Whether the judge tells right answers from wrong ones: the interval of its AUC lies above one half. Where it does ' +
        'not, there is nothing to calibrate: the map is to the share that is right, and the version has a warning. Absent in ' +
        'what earlier versions of Gavel found.',
    ),
  ),
  rows: v.number(),
  scored: v.number(),
  abstained: v.number(),
  failed: v.number(),
  questions: v.number(),
  correct: v.number(),
  map: calibrationMap,
  before: calibrationReport,
  after: v.pipe(
    calibrationReport,
    v.description('By the method chosen, each row by a map that never saw its question.'),
  ),
}
/** The result of a `judge.calibrate` job, before the API adds the id of the new `judge`. */
export const judgeCalibrateResult = v.object({
  ...calibrateEntries,
  methods: v.object({ platt: calibrationReport, isotonic: calibrationReport }),
})
export type JudgeCalibrateResult = v.InferOutput<typeof judgeCalibrateResult>

/** A judge's calibration. */
export const judgeCalibration = v.object({
  job: v.string(),
  base: v.pipe(v.string(), v.description('The version whose raw probabilities it calibrates.')),
  ...calibrateEntries,
})

/**
 * The ways in which an audit tries to fool a judge; `core/judges/attacks.ts` makes the texts of each. Cheats take no
 * solving, so a student learns them as soon as they pay.
 */
export const CHEATS = [
  'empty',
  'whitespace',
  'punctuation',
  'master_key',
  'master_key_translated',
  'question_repeated',
  'injected_yes',
  'forged_markers',
  'praise',
  'examples_first',
  'template_continued',
  'other_question',
  'very_long',
] as const
/** Answers that look like solutions. */
export const NEAR_MISSES = ['other_solution', 'truncated', 'wrong_number'] as const
export const ATTACKS = [...CHEATS, ...NEAR_MISSES] as const
export type Attack = (typeof ATTACKS)[number]
export const isCheat = (attack: Attack): boolean => (CHEATS as readonly Attack[]).includes(attack)

export const judgeAuditSpec = fields({
  type: v.literal('judge.audit'),
  name: v.optional(name),
  judge: judgeReference,
  dataset: reference(
    'Dataset, by id or name, whose rows have an `answer`; a `completion` is taken as a right solution, where it is one.',
  ),
  verifier,
  config: v.optional(
    fields({
      seed,
      rows: v.optional(integer(8, 10_000, 'Questions of each attack, at most. Default 100.'), 100),
      limit: v.optional(
        number(0, 1, 'Highest false-positive rate of any cheat with which the judge passes, a fraction. Default 0.1.'),
        0.1,
      ),
      threshold: v.optional(number(0, 1, 'P(Yes) from which an answer counts as accepted. Default 0.5.'), 0.5),
    }),
    {},
  ),
})
export type JudgeAuditSpec = v.InferOutput<typeof judgeAuditSpec>

const acceptance = {
  n: v.pipe(v.number(), v.description('Answers that the judge scored or abstained from.')),
  accepted: v.number(),
  rate: v.nullable(v.number()),
  low: v.pipe(v.number(), v.description('Of the 95 % Wilson interval.')),
  high: v.number(),
  abstained: v.number(),
  failed: v.number(),
}
export const judgeAuditResult = v.object({
  passed: v.boolean(),
  limit: v.number(),
  threshold: v.number(),
  failures: v.pipe(
    v.array(v.picklist(ATTACKS)),
    v.description(
      'Why it did not pass: cheats that it accepts more often than `limit`, near misses that it accepts no less often ' +
        'than right solutions.',
    ),
  ),
  attacks: v.array(v.object({ attack: v.picklist(ATTACKS), ...acceptance })),
  right: v.pipe(
    v.object(acceptance),
    v.description('Right solutions, for comparison: a judge that refuses all is no judge.'),
  ),
})
export type JudgeAuditResult = v.InferOutput<typeof judgeAuditResult>

/** A judge's audit. */
export const judgeAudit = v.object({ job: v.string(), ...judgeAuditResult.entries })
