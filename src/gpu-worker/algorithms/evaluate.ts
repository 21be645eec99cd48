import type { EvalSpec } from '../../core/schemas/eval.ts'
import { mean } from '../../core/stats/moments.ts'
import { wilsonInterval } from '../../core/stats/wilson-interval.ts'
import { VERIFIERS } from '../../core/verifiers/index.ts'
import { Generator } from '../rollout/generator.ts'
import { slotsWithin } from '../rollout/kv-cache.ts'
import { promptOf } from './prompts.ts'
import type { RunContext } from './run-context.ts'

/** Rows answered between two reports of progress. */
const CHUNK = 250
const MAX_SLOTS = 256
/** Answers that are kept for people to read. */
const SAMPLES = 20

/** The share of a dataset's rows that a model answers correctly, with its 95 % Wilson interval. */
export async function evaluate(spec: EvalSpec, context: RunContext) {
  const { config } = spec
  const { model, weights, codec } = await context.openModel()
  const verifier = VERIFIERS[spec.verifier]
  const options = { codec, template: spec.prompt_template, maxTokens: config.max_prompt_tokens, role: 'dataset' }
  const prompts = context
    .rows('dataset')
    .slice(0, config.limit)
    .map((row) => promptOf(row, options))
  const longest = prompts.reduce((max, p) => Math.max(max, p.ids.length), 1)
  const capacity = longest + config.max_new_tokens
  const slots = slotsWithin(model, capacity, Math.min(MAX_SLOTS, prompts.length))
  const generator = await Generator.create(model, weights, { slots, capacity, threads: context.threads })

  let correct = 0
  const judged: number[] = []
  let judgeFailures = 0
  for (let from = 0; from < prompts.length; from += CHUNK) {
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
    correct += verdicts.filter((v) => v.correct).length
    if (spec.judge !== undefined) {
      const judgments = await context.judge(answers.map((answer, i) => ({ question: chunk[i]!.question, answer })))
      for (const j of judgments) j.outcome === 'scored' ? judged.push(j.probability) : judgeFailures++
    }
    const done = from + chunk.length
    context.metrics(done, { 'eval/done': done, 'eval/accuracy': correct / done })
    if (from === 0) {
      context.samples(
        answers.slice(0, SAMPLES).map((completion, index) => ({
          step: 0,
          split: 'eval' as const,
          index,
          prompt: chunk[index]!.text,
          completion,
          answer: chunk[index]!.answer ?? null,
          reward: verdicts[index]!.reward,
        })),
      )
    }
  }
  const n = prompts.length
  const judge = spec.judge === undefined ? {} : { judge_mean: mean(judged), judge_unscored: judgeFailures }
  return { correct, n, accuracy: correct / n, ...wilsonInterval(correct, n), ...judge }
}
