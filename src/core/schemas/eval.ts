/** `eval`: how a model does on a dataset's rows, by a verifier where they have answers and by a judge on any. */
import * as v from 'valibot'
import { fields, integer, name, number, reference } from './fields.ts'
import { modelReference } from './model.ts'
import { onLongRows, textEntries } from './training.ts'
import { verifierSpec } from './verify.ts'

/** Not more than one post of samples takes. */
const MAX_GROUP = 1000

export const evalSpec = fields({
  type: v.literal('eval'),
  name: v.optional(name),
  model: modelReference,
  dataset: reference('Dataset, by id or name. Without a judge every row must have an answer.'),
  ...textEntries,
  verifier: v.optional(verifierSpec),
  judge: v.optional(reference('A judge to ask about each answer, by id or name. It needs no gold answers.')),
  config: v.optional(
    v.pipe(
      fields({
        seed: v.optional(integer(0, 2 ** 32 - 1, 'Seed of sampling. Default 0.'), 0),
        max_prompt_tokens: v.optional(
          integer(
            1,
            1_000_000,
            "Longest prompt in tokens. Default 1024, or what the model's context has room for beside max_new_tokens.",
          ),
        ),
        max_new_tokens: v.optional(
          integer(
            1,
            1_000_000,
            "Longest completion in tokens. Default 256, or what the model's context has room for: half of it at most unless max_prompt_tokens is given.",
          ),
        ),
        on_long_rows: onLongRows('the last tokens of the prompt are kept'),
        temperature: v.optional(number(0, 10, 'Sampling temperature; 0 is greedy. Default 0.'), 0),
        group_size: v.optional(
          integer(1, MAX_GROUP, 'Answers drawn to each row; more than one needs a temperature > 0. Default 1.'),
          1,
        ),
        k: v.optional(
          v.pipe(
            v.array(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_GROUP))),
            v.minLength(1),
            v.maxLength(64),
            v.description('The k of pass@k and majority@k, at most `group_size`. Default 1, 2, 4 … and `group_size`.'),
          ),
        ),
        limit: v.optional(integer(1, 1_000_000, 'Only the first rows, at most so many. Default all.')),
        samples: v.optional(
          integer(0, 100_000, 'How many answers are kept as samples, from the first on. Default 20.'),
          20,
        ),
      }),
      v.check(
        (config) => config.group_size === 1 || config.temperature > 0,
        'asks for several greedy answers to a row, which would all be the same: set `temperature` above 0, or `group_size` to 1',
      ),
      v.check(
        ({ k, group_size }) => !k || Math.max(...k) <= group_size,
        'has a `k` larger than `group_size`: draw more answers, or ask for a smaller k',
      ),
    ),
    {},
  ),
})
export type EvalSpec = v.InferOutput<typeof evalSpec>

const interval = { low: v.number(), high: v.number() }
const atK = v.array(v.object({ k: v.number(), value: v.number(), ...interval }))

/**
 * The result of an `eval` job. `low` and `high` are always the 95 % Wilson interval of the number before them, as
 * fractions, with a row as the unit. Of the n rows with an answer, `correct` is how many were solved, a row with several
 * answers counting as its share of right ones; `accuracy` is correct / n, null of no rows. With several answers a row,
 * `pass_at_k` is the chance that one of k is right (unbiased) and `majority_at_k` that the value most of k state is.
 *
 * `judge` is over the answers it scored: their mean P(Yes), and `accepted`, the share with P(Yes) ≥ 0.5. Where gold is
 * known too, how it agrees with the verifier: AUC, the shares of right verdicts, of wrong answers accepted and of right
 * ones refused; null where there is nothing to divide by. Its label mass is the mean over those it abstained from as well.
 */
export const evalResult = v.object({
  rows: v.number(),
  correct: v.number(),
  n: v.number(),
  accuracy: v.nullable(v.number()),
  ...interval,
  pass_at_k: v.optional(atK),
  majority_at_k: v.optional(atK),
  judge: v.optional(
    v.object({
      scored: v.number(),
      mean: v.nullable(v.number()),
      accepted: v.nullable(v.number()),
      ...interval,
      label_mass: v.nullable(v.number()),
      auc: v.nullable(v.number()),
      accuracy: v.nullable(v.number()),
      false_positive_rate: v.nullable(v.number()),
      false_negative_rate: v.nullable(v.number()),
    }),
  ),
  /** By dataset, where there were rows longer than allowed. */
  long_rows: v.optional(v.record(v.string(), v.object({ truncated: v.number(), skipped: v.number() }))),
})
export type EvalResult = v.InferOutput<typeof evalResult>

/** What one row came to; a line of {@link SCORES_FILE}. Each list has an entry an answer. */
export const rowScores = v.object({
  /** The row's line in the dataset, from 1. */
  line: v.number(),
  /** Whether the verifier found the answer right; null on a row without gold, or without a verifier. */
  correct: v.nullable(v.array(v.boolean())),
  /** P(Yes), null where the judge gave none; null without a judge. */
  judge: v.nullable(v.array(v.nullable(v.number()))),
})
export type RowScores = v.InferOutput<typeof rowScores>

/** What was answered to one row, and what verifier and judge made of it; a line of {@link ANSWERS_FILE}. */
export const answeredRow = v.object({
  /** The row's line in the dataset, from 1. */
  line: v.number(),
  /** As the model saw it. */
  prompt: v.string(),
  gold: v.nullable(v.string()),
  answers: v.array(
    v.object({
      text: v.string(),
      finish_reason: v.picklist(['stop', 'length']),
      /** The verifier's verdict, its reward, and what it took for the answer; null without gold. */
      correct: v.nullable(v.boolean()),
      reward: v.nullable(v.number()),
      extracted: v.nullable(v.string()),
      /** Why the verifier refuses it, where more is known than that. */
      reason: v.optional(v.string()),
      /** Answers of equal value have the same number; −1 states none. */
      value: v.number(),
      /** Null without a judge. */
      judgment: v.nullable(
        v.object({
          outcome: v.picklist(['scored', 'abstained', 'failed']),
          probability: v.nullable(v.number()),
          label_mass: v.nullable(v.number()),
          reason: v.nullable(v.string()),
        }),
      ),
    }),
  ),
})
export type AnsweredRow = v.InferOutput<typeof answeredRow>

/** Files of an evaluation's checkpoint, JSON, a row a line: what each came to, and the answers themselves. */
export const SCORES_FILE = 'scores.jsonl'
export const ANSWERS_FILE = 'answers.jsonl'

/** Two evaluations on the rows they share: `a` is the one before, `b` the one after. */
export const evalComparison = v.object({
  object: v.literal('eval.comparison'),
  a: v.string(),
  b: v.string(),
  by: v.pipe(
    v.picklist(['verifier', 'judge']),
    v.description('What says that a row is solved: the verifier, or P(Yes) ≥ 0.5 where not both have verdicts.'),
  ),
  n: v.pipe(v.number(), v.description('Rows that both have a verdict on.')),
  left_out: v.pipe(v.number(), v.description('Rows that only one of them has a verdict on.')),
  both: v.number(),
  only_a: v.number(),
  only_b: v.number(),
  neither: v.number(),
  accuracy_a: v.number(),
  accuracy_b: v.number(),
  difference: v.pipe(
    v.number(),
    v.description("B's share of solved rows minus A's: above 0 where B, the one after, does better."),
  ),
  ...interval,
  p_value: v.pipe(v.number(), v.description("McNemar's exact test, two-sided.")),
})
export type EvalComparison = v.InferOutput<typeof evalComparison>
