import { GavelError } from '../../core/errors.ts'
import type { Judgment } from '../../core/judges/probability.ts'
import type { EvalResult, EvalSpec } from '../../core/schemas/eval.ts'
import { agreement } from '../../core/stats/agreement.ts'
import { mean } from '../../core/stats/moments.ts'
import { wilsonInterval } from '../../core/stats/wilson-interval.ts'
import { VERIFIERS } from '../../core/verifiers/index.ts'
import { Generator } from '../rollout/generator.ts'
import { slotsWithin } from '../rollout/kv-cache.ts'
import { refuseSilence } from './judge-silence.ts'
import { promptOf } from './prompts.ts'
import { RunStopped, type RunContext } from './run-context.ts'

/** Rows answered between two reports of progress. */
const CHUNK = 250
const MAX_SLOTS = 256

/** An answer's truth beside what the judge made of it; null where no judge is asked. */
interface Assessed {
  correct: boolean
  judgment: Judgment | null
}

/**
 * The share of a dataset's rows that a model answers correctly, and how a judge agrees with that. Asked to stop, it
 * keeps nothing: an evaluation that is taken up again begins anew.
 */
export async function evaluate(spec: EvalSpec, context: RunContext): Promise<EvalResult> {
  const { config } = spec
  const { model, weights, codec } = await context.openModel()
  const verifier = VERIFIERS[spec.verifier]
  const options = {
    codec,
    template: spec.prompt_template,
    maxTokens: config.max_prompt_tokens,
    role: 'dataset',
    verifier,
  }
  const prompts = context
    .rows('dataset')
    .slice(0, config.limit)
    .map((row) => promptOf(row, options))
  const longest = prompts.reduce((max, p) => Math.max(max, p.ids.length), 1)
  const capacity = longest + config.max_new_tokens
  if (capacity > model.contextLength) {
    throw new GavelError(
      'prompt_too_long',
      `dataset: the longest prompt has ${longest} tokens, which with ${config.max_new_tokens} new ones is more than the ${model.contextLength} of the model's context; shorten it, or lower max_new_tokens`,
      { param: 'dataset' },
    )
  }
  const slots = slotsWithin(model, capacity, Math.min(MAX_SLOTS, prompts.length))
  const generator = await Generator.create(model, weights, { slots, capacity, threads: context.threads })

  const assessed: Assessed[] = []
  for (let from = 0; from < prompts.length; from += CHUNK) {
    if (context.stopRequested()) throw new RunStopped(`stopped after ${from} rows`)
    const chunk = prompts.slice(from, from + CHUNK)
    const completions = await generator.generate(
      chunk.map(({ ids }) => ({ prompt: ids, samples: 1 })),
      {
        temperature: config.temperature,
        maxNewTokens: config.max_new_tokens,
        stopIds: codec.stopIds,
        seed: `${config.seed}/eval/${from}`,
      },
    )
    const answers = completions.map(({ ids }) => codec.decode(ids))
    const verdicts = answers.map((text, i) => verifier.verify({ text, gold: chunk[i]!.answer! }))
    const judgments =
      spec.judge === undefined
        ? null
        : await context.judge(answers.map((answer, i) => ({ question: chunk[i]!.question, answer })))
    // A judge that abstains is a finding; one that cannot be asked is none.
    if (judgments?.every(({ outcome }) => outcome === 'failed')) refuseSilence(`rows from ${from + 1}`, judgments)
    verdicts.forEach(({ correct }, i) => assessed.push({ correct, judgment: judgments?.[i] ?? null }))
    const done = assessed.length
    context.metrics(done, { 'eval/done': done, 'eval/accuracy': countCorrect(assessed) / done })
    const kept = answers.slice(0, Math.max(0, config.samples - from)).map((completion, i) => ({
      step: 0,
      split: 'eval' as const,
      index: from + i,
      prompt: chunk[i]!.text,
      completion,
      answer: chunk[i]!.answer ?? null,
      reward: verdicts[i]!.reward,
      terms: { verifier: verdicts[i]!.reward, ...judgeTerm(judgments?.[i]) },
    }))
    if (kept.length) context.samples(kept)
  }
  const n = prompts.length
  const correct = countCorrect(assessed)
  const judge = spec.judge === undefined ? {} : { judge: agreementOf(assessed) }
  return { correct, n, accuracy: correct / n, ...wilsonInterval(correct, n), ...judge }
}

const countCorrect = (assessed: readonly Assessed[]) => assessed.filter(({ correct }) => correct).length

const judgeTerm = (judgment: Judgment | undefined): Record<string, number> =>
  judgment?.outcome === 'scored' ? { judge: judgment.probability } : {}

function agreementOf(assessed: readonly Assessed[]): EvalResult['judge'] {
  const scored = assessed.flatMap(({ correct, judgment }) =>
    judgment?.outcome === 'scored' ? [{ correct, score: judgment.probability }] : [],
  )
  const masses = assessed.flatMap(({ judgment }) => (judgment && 'labelMass' in judgment ? judgment.labelMass : []))
  const { auc, accuracy, falsePositiveRate, falseNegativeRate } = agreement(scored)
  return {
    scored: scored.length,
    mean: mean(scored.map(({ score }) => score)),
    label_mass: mean(masses),
    auc,
    accuracy,
    false_positive_rate: falsePositiveRate,
    false_negative_rate: falseNegativeRate,
  }
}
