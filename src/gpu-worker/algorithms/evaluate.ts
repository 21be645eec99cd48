import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import type { Judgment } from '../../core/judges/probability.ts'
import {
  ANSWERS_FILE,
  answeredRow,
  SCORES_FILE,
  type AnsweredRow,
  type EvalResult,
  type EvalSpec,
  type RowScores,
} from '../../core/schemas/eval.ts'
import type { Sample } from '../../core/schemas/job.ts'
import { unlimited } from '../../core/work-budget.ts'
import { groupByValue } from '../../core/stats/majority-vote.ts'
import { summariseEval } from '../../core/stats/summarise-eval.ts'
import { verifierOf } from '../../core/verifiers/index.ts'
import type { Verifier } from '../../core/verifiers/verifier.ts'
import { notANumber } from '../models/not-a-number.ts'
import { Generator, type Completion } from '../rollout/generator.ts'
import { slotsWithin } from '../rollout/kv-cache.ts'
import type { RowCodec } from '../text/row-codec.ts'
import type { TextCodec } from '../text/text-codec.ts'
import { weightTensors } from '../training/weight-tensors.ts'
import { LongRows } from './long-rows.ts'
import { firstRows } from './prepared-rows.ts'
import { answerEnds, lastTokens, openRows, promptOf, type Prompt } from './prompts.ts'
import { requireScores } from './require-scores.ts'
import { RunStopped, type Resume, type RunContext } from './run-context.ts'
import { answerLimits, type AnswerLimits } from './token-limits.ts'

/** Answers drawn between two reports of progress. */
const CHUNK = 250
/** An evaluation is committed about so often: each time with all of its rows. */
const COMMITS = 20
const MAX_SLOTS = 256
/** Where a job names no limits and the model has room for these. */
const USUAL = { max_prompt_tokens: 1024, max_new_tokens: 256 }

/**
 * How a model does on a dataset's rows: answers drawn, verified where there is gold, judged where a judge is named. It
 * commits its rows every so often; stopped or killed, it goes on from the last ones to the same result.
 */
export async function evaluate(spec: EvalSpec, context: RunContext): Promise<EvalResult> {
  const { config } = spec
  const { group_size: groupSize } = config
  const { model, weights, codec } = await context.openModel()
  const format = openRows(codec, spec, context)
  const limits = answerLimits(config, USUAL, model.contextLength, context)
  const verifier = spec.verifier && verifierOf(spec.verifier, context.programs)
  const long = new LongRows(config.on_long_rows, model.contextLength, context)
  const { prompts, longest } = readPrompts({ config: { ...config, ...limits } }, context, format, long, verifier)
  const capacity = longest + limits.max_new_tokens
  const slots = slotsWithin(model, capacity, Math.min(MAX_SLOTS, prompts.length * groupSize))
  const { threads, device } = context
  const fixed = weightTensors(weights)
  const generator = await Generator.create(model, weights, { slots, capacity, threads, device, fixed })

  const stopIds = answerEnds(codec, context)
  const rows = context.resume ? readRows(context.resume) : []
  let committed = rows.length
  const commit = async () => {
    await context.checkpoint(rows.length, {}, (folder) => writeRows(folder, rows))
    committed = rows.length
  }
  // A chunk's draws depend on where it begins, which is the same however often the run was stopped.
  const rowsOfChunk = Math.max(1, Math.floor(CHUNK / groupSize))
  while (rows.length < prompts.length) {
    const from = rows.length
    if (context.stopRequested()) {
      if (from > committed) await commit()
      throw new RunStopped(`stopped after ${from} rows`)
    }
    const chunk = prompts.slice(from, from + rowsOfChunk)
    const completions = await generator.generate(
      chunk.map(({ ids }) => ({ prompt: ids, samples: groupSize })),
      {
        temperature: config.temperature,
        maxNewTokens: limits.max_new_tokens,
        stopIds,
        seed: `${config.seed}/eval/${from}`,
      },
    )
    refuseNaN(chunk, completions)
    const judgments = spec.judge === undefined ? null : await judgeAll(chunk, completions, codec, context)
    const assessed = chunk.map((prompt, i) => {
      const own = <T>(list: readonly T[]) => list.slice(i * groupSize, (i + 1) * groupSize)
      return assess(prompt, own(completions), judgments && own(judgments), codec, verifier)
    })
    rows.push(...(await Promise.all(assessed)))
    report(rows, from, spec, context)
    if (rows.length === prompts.length || rows.length - committed >= prompts.length / COMMITS) await commit()
  }
  return { ...summariseEval(rows, { groupSize, k: config.k, judged: spec.judge !== undefined }), ...long.result() }
}

/** Throws `corrupt_model` where what was drawn comes from numbers that are none. */
function refuseNaN(chunk: readonly Prompt[], completions: readonly Completion[]): void {
  const bad = completions.findIndex(({ logprobs }) => !logprobs.every(Number.isFinite))
  if (bad < 0) return
  const { line } = chunk[Math.floor((bad * chunk.length) / completions.length)]!
  throw notANumber(`dataset, line ${line}`)
}

/** The prompts, and how many tokens the longest has. */
function readPrompts(
  { config }: { config: EvalSpec['config'] & AnswerLimits },
  context: RunContext,
  rows: RowCodec,
  long: LongRows,
  verifier?: Verifier,
) {
  let longest = 0
  const prompts = long.fit(
    firstRows(context.rows('dataset'), config.limit),
    (row) => promptOf(row, { rows, role: 'dataset', verifier }),
    {
      role: 'dataset',
      what: 'the prompt has',
      limit: config.max_prompt_tokens,
      field: 'max_prompt_tokens',
      beside: config.max_new_tokens,
      shorten: lastTokens(config.max_prompt_tokens, rows.codec),
    },
    ({ ids }) => (longest = Math.max(longest, ids.length)),
  )
  return { prompts, longest }
}

async function judgeAll(
  chunk: readonly Prompt[],
  completions: readonly Completion[],
  codec: TextCodec,
  context: RunContext,
): Promise<Judgment[]> {
  const groupSize = completions.length / chunk.length
  const judgments = await context.judge(
    completions.map(({ ids }, i) => ({
      question: chunk[Math.floor(i / groupSize)]!.question,
      answer: codec.decodeAnswer(chunk[Math.floor(i / groupSize)]!.ids, ids),
    })),
  )
  // A judge that abstains is a finding; one that cannot be asked is none.
  const lines = `dataset, lines ${chunk[0]!.line} to ${chunk.at(-1)!.line}`
  if (judgments.every(({ outcome }) => outcome === 'failed')) requireScores(lines, judgments)
  return judgments
}

async function assess(
  { line, ids: asked, text: prompt, answer: gold }: Prompt,
  completions: readonly Completion[],
  judgments: readonly Judgment[] | null,
  codec: TextCodec,
  verifier?: Verifier,
): Promise<AnsweredRow> {
  const texts = completions.map(({ ids }) => codec.decodeAnswer(asked, ids))
  const verdicts =
    verifier && gold !== undefined
      ? await Promise.all(texts.map(async (text) => verifier.verify({ text, gold })))
      : null
  const extracted = texts.map((_, i) => verdicts?.[i]!.extracted ?? null)
  // By what was extracted: of a program, what it returned.
  const stated = extracted.map((answer, i) => (answer === null ? null : { ...verifier!.read(texts[i]!), answer }))
  const values = await groupByValue(stated, (a, b) => verifier!.same(a, b), unlimited())
  const answers = texts.map((text, i) => ({
    text,
    finish_reason: completions[i]!.finish,
    correct: verdicts?.[i]!.correct ?? null,
    reward: verdicts?.[i]!.reward ?? null,
    extracted: extracted[i]!,
    ...(verdicts?.[i]!.reason !== undefined && { reason: verdicts[i].reason }),
    value: values[i]!,
    judgment: judgments && showJudgment(judgments[i]!),
  }))
  return { line, prompt, gold: gold ?? null, answers }
}

const showJudgment = (judgment: Judgment): AnsweredRow['answers'][number]['judgment'] => ({
  outcome: judgment.outcome,
  probability: judgment.outcome === 'scored' ? judgment.probability : null,
  label_mass: judgment.outcome === 'failed' ? null : judgment.labelMass,
  reason: judgment.outcome === 'scored' ? null : judgment.reason,
})

/** Tells how it stands after the rows from `from` on, and keeps the first answers for people to read. */
function report(rows: readonly AnsweredRow[], from: number, spec: EvalSpec, context: RunContext): void {
  const { group_size: groupSize, samples } = spec.config
  const { accuracy, judge } = summariseEval(rows, { groupSize, k: [1], judged: spec.judge !== undefined })
  context.metrics(rows.length, {
    'eval/done': rows.length,
    ...(accuracy !== null && { 'eval/accuracy': accuracy }),
    ...(judge?.mean != null && { 'eval/judge': judge.mean }),
  })
  const answers = rows.slice(from).flatMap((row, i) =>
    row.answers.map(({ text, reward, judgment }, j): Sample => ({
      step: 0,
      split: 'eval',
      index: (from + i) * groupSize + j,
      prompt: row.prompt,
      completion: text,
      answer: row.gold,
      reward: reward ?? judgment?.probability ?? null,
      terms: {
        ...(reward !== null && { verifier: reward }),
        ...(judgment?.probability != null && { judge: judgment.probability }),
      },
    })),
  )
  const kept = answers.filter(({ index }) => index < samples)
  if (kept.length) context.samples(kept)
}

/** Puts the files of an evaluation's checkpoint into a folder. */
export function writeRows(folder: string, rows: readonly AnsweredRow[]): void {
  const lines = (values: readonly object[]) => values.map((value) => `${JSON.stringify(value)}\n`).join('')
  writeFileSync(join(folder, ANSWERS_FILE), lines(rows))
  writeFileSync(join(folder, SCORES_FILE), lines(rows.map(scoresOf)))
}

const scoresOf = ({ line, answers }: AnsweredRow): RowScores => ({
  line,
  correct: answers[0]!.correct === null ? null : answers.map(({ correct }) => correct!),
  judge: answers[0]!.judgment === null ? null : answers.map(({ judgment }) => judgment!.probability),
})

function readRows({ folder, step }: Resume): AnsweredRow[] {
  const lines = readFileSync(join(folder, ANSWERS_FILE), 'utf8').split('\n').filter(Boolean)
  const rows = lines.map((line) => v.parse(answeredRow, JSON.parse(line)))
  if (rows.length === step) return rows
  throw new GavelError('corrupt_model', `${ANSWERS_FILE} of step ${step} has ${rows.length} rows; evaluate again`)
}
