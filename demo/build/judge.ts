/** Teaches a model to answer Yes or No to "{question}\n{answer}\nIs the answer correct?\n". */
import { mean } from '../../src/core/moments.ts'
import { learningRateAt } from '../../src/core/rl/schedules.ts'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { agreement, auc, aucWithin, type Graded } from '../../src/core/stats/agreement.ts'
import type { Weights } from '../../src/gpu-worker/models/weights.ts'
import { LabelScorer } from '../../src/gpu-worker/rollout/label-scorer.ts'
import { accumulateGradients, type TrainingRow } from '../../src/gpu-worker/training/accumulate-gradients.ts'
import { trainedTokens } from '../../src/gpu-worker/training/batch.ts'
import { Trainer } from '../../src/gpu-worker/training/trainer.ts'
import { codec, MAX_TOKENS, tinyModel } from '../../testing/tiny-model.ts'
import { pick } from '../draw.ts'
import type { GradedAnswer } from './graded-answers.ts'
import { promptOf } from './solve.ts'

const BATCH = 96
/** Weight of the verdicts on unfinished answers, all of one answer's together. */
const SO_FAR = 0.5
/** Weight of the solving loss that is kept beside the judging one, and the share of a batch it is taken on. */
const SOLVING = { weight: 0.5, share: 0.25 }

const JUDGE_SUFFIX = '\nIs the answer correct?\n'
const judgeText = ({ question, text }: GradedAnswer): string => `${question}\n${text}${JUDGE_SUFFIX}`

/**
 * Trains `weights` in place on answers drawn by `draw`. The solving loss on some of the same problems keeps
 * the skill that the verdicts rest on.
 */
export async function trainJudge(
  weights: Weights,
  options: {
    steps: number
    seed: number
    /** Highest learning rate. */
    peak?: number
    draw: (rng: SeededRng) => GradedAnswer
    /** Also ask after every token of the answer whether it is right so far. */
    dense?: boolean
    report: (step: number, loss: number) => Promise<void>
  },
): Promise<void> {
  const { steps, seed, peak = 1e-3, draw, dense = false, report } = options
  const rng = new SeededRng(seed, 'judge')
  const trainer = await Trainer.create(tinyModel, weights, {
    loss: 'cross-entropy',
    optimizer: { beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0.02, clipNorm: 1 },
    maxTokens: MAX_TOKENS,
  })
  let running = NaN
  for (let step = 0; step < steps; step++) {
    const answers = Array.from({ length: BATCH }, () => draw(rng))
    const verdicts = answers.map((answer) => (dense ? denseRow(answer) : verdictRow(answer)))
    const solved = Array.from({ length: BATCH * SOLVING.share }, () => pick(rng, answers)).map(({ question, gold }) => {
      const prompt = codec.encode(promptOf(question))
      return { ids: [...prompt, ...codec.encode(gold), codec.endId], start: prompt.length }
    })
    const tokens = solved.reduce((sum, row) => sum + trainedTokens(row), 0)
    const { loss } = await accumulateGradients(
      trainer,
      [...verdicts, ...solved.map((row) => ({ ...row, weight: SOLVING.weight / tokens }))],
      { microBatchTokens: 2560 },
    )
    const rate = learningRateAt(step, { schedule: 'cosine', peak, warmupSteps: 30, totalSteps: steps })
    await trainer.step(Math.max(rate, Math.min(1, (step + 1) / 30) * 0.03 * peak))
    running = Number.isNaN(running) ? loss : 0.95 * running + 0.05 * loss
    if ((step + 1) % Math.ceil(steps / 10) === 0) await report(step + 1, running)
  }
  await trainer.release()
}

/** Only the verdict is trained. */
function verdictRow(answer: GradedAnswer): TrainingRow {
  const text = codec.encode(judgeText(answer))
  return { ids: [...text, verdictId(answer.correct)], start: text.length, weight: 1 / BATCH }
}

/**
 * The verdict, and after each token of the answer a verdict on what there is of it: wrong from the first token
 * on that differs from the gold solution's, unless the answer comes out right on a way of its own.
 */
function denseRow(answer: GradedAnswer): TrainingRow {
  const prompt = codec.encode(promptOf(answer.question))
  const written = codec.encode(answer.text)
  const gold = codec.encode(answer.gold)
  const wrongFrom = answer.correct ? Infinity : written.findIndex((id, i) => id !== gold[i])
  const firstWrong = wrongFrom === -1 ? written.length : wrongFrom
  const suffix = codec.encode(JUDGE_SUFFIX)
  return {
    ids: [...prompt, ...written, ...suffix, verdictId(answer.correct)],
    start: prompt.length + 1,
    targets: [...written.map((_, i) => verdictId(i < firstWrong)), ...suffix.slice(1), verdictId(answer.correct)],
    weight: [...written.map(() => SO_FAR / (BATCH * written.length)), ...suffix.slice(1).map(() => 0), 1 / BATCH],
  }
}

const verdictId = (correct: boolean): number => codec.idOf(correct ? 'Yes' : 'No')!

export interface JudgeQuality {
  n: number
  auc: number
  /** A right answer against a wrong one to the same question: what a group's advantages are made of. */
  auc_within_question: number
  accuracy: number
  false_positive_rate: number
  false_negative_rate: number
  label_mass: number
}

/** How well a judge tells right answers from wrong ones. */
export async function judgeQuality(weights: Weights, answers: readonly GradedAnswer[]): Promise<JudgeQuality> {
  const graded = await judgeAll(weights, answers)
  const a = agreement(graded)
  return {
    n: graded.length,
    auc: auc(graded)!,
    auc_within_question: aucWithin(graded, ({ question }) => question)!,
    accuracy: a.accuracy!,
    false_positive_rate: a.falsePositiveRate!,
    false_negative_rate: a.falseNegativeRate!,
    label_mass: mean(graded.map((g) => g.mass))!,
  }
}

async function judgeAll(
  weights: Weights,
  answers: readonly GradedAnswer[],
): Promise<(Graded & { mass: number; question: string })[]> {
  const scorer = await LabelScorer.create(tinyModel, weights, { maxTokens: MAX_TOKENS })
  const labels = ['Yes', 'No'].map((label) => codec.idOf(label)!)
  const scores = await scorer.score(
    answers.map((answer) => codec.encode(judgeText(answer))),
    labels,
  )
  await scorer.release()
  return scores.map(([yes, no], i) => {
    const mass = Math.exp(yes!) + Math.exp(no!)
    return { score: Math.exp(yes!) / mass, correct: answers[i]!.correct, mass, question: answers[i]!.question }
  })
}
