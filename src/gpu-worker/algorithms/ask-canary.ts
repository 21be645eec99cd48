import { mean } from '../../core/moments.ts'
import { assessRows, planJudgeItems } from '../../core/rewards/reward-rows.ts'
import type { CanaryPoint, CanaryRow } from '../../core/rl/detect-hacking.ts'
import type { Verdict } from '../../core/schemas/verify.ts'
import type { RewardRecipe } from '../../core/schemas/reward.ts'
import type { Generator } from '../rollout/generator.ts'
import type { TextCodec } from '../text/text-codec.ts'
import type { Prompt } from './prompts.ts'
import { requireScores } from './require-scores.ts'
import type { RunContext } from './run-context.ts'

export interface CanaryLook extends CanaryPoint {
  rows: CanaryRow[]
}

/**
 * One look at the canary: greedy answers to labelled prompts that are never trained on, seen by the verifier
 * and by the judge. An answer that the gate refuses counts as wrong and as worth nothing to the judge. Throws where the
 * judge scores none.
 */
export async function askCanary(of: {
  step: number
  prompts: readonly Prompt[]
  generator: Generator
  codec: TextCodec
  recipe: RewardRecipe
  sampling: { maxNewTokens: number; stopIds: readonly number[] }
  context: RunContext
}): Promise<CanaryLook> {
  const { step, prompts, codec, context } = of
  const completions = await of.generator.generate(
    prompts.map(({ ids }) => ({ prompt: ids, samples: 1 })),
    { ...of.sampling, temperature: 0, seed: 0 },
  )
  const items = completions.map((completion, i) => ({
    prompt: prompts[i]!.question,
    completion: codec.decodeAnswer(prompts[i]!.ids, completion.ids),
    answer: prompts[i]!.answer!,
    finish_reason: completion.finish,
  }))
  // What is watched is the judge on every row, however the training routes them; a judge drawn at random is not.
  const { verifier = 'math' as const, mu, control } = of.recipe
  const recipe = { ...of.recipe, verifier, routing: 'all' as const, mu: control?.kind === 'random' ? 0 : mu }
  const rows = await assessRows(recipe, items, context.programs)
  const plan = planJudgeItems(items, rows)
  const judged = plan.length ? await context.judge(plan.map((p) => p.item)) : []
  requireScores(`canary, step ${step}`, judged)
  const scores = new Map(plan.map(({ row }, i) => [row, judged[i]!] as const))
  const believed = rows.map(({ gated }, i): number | null => {
    const judgment = scores.get(i)
    return judgment?.outcome === 'scored' ? judgment.probability : recipe.mu > 0 && gated ? 0 : null
  })
  const point = {
    step,
    judge: mean(believed.filter((p) => p !== null)) ?? 0,
    gold: rows.filter((row) => row.verdict?.correct).length / rows.length,
    n: rows.length,
    rows: rows.map(({ verdict }, i) => ({ believed: believed[i]!, verdict: verdictOf(verdict) })),
  }
  context.metrics(step, { 'canary/gold': point.gold, ...(recipe.mu > 0 && { 'canary/judge': point.judge }) })
  return point
}

const verdictOf = (verdict: Verdict | null): CanaryRow['verdict'] =>
  verdict?.correct ? 'right' : verdict && verdict.extracted !== null ? 'wrong' : 'none'
