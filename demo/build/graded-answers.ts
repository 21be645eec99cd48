/** Answers with the truth about them: what a judge is taught and measured on. */
import type { Rng } from '../../src/core/ports.ts'
import type { Weights } from '../../src/gpu-worker/models/weights.ts'
import { Generator } from '../../src/gpu-worker/rollout/generator.ts'
import { tinyModel } from '../../testing/tiny-model.ts'
import { chance, pick } from '../draw.ts'
import { drawProblem, problems, type Problem } from '../problems.ts'
import { carelessSolution, goldText, mutatedSolution } from '../solutions.ts'
import { attempt, MAX_NEW_TOKENS } from './solve.ts'

export interface GradedAnswer {
  question: string
  text: string
  correct: boolean
  /** The right solution of the same problem. */
  gold: string
}

/** Answers of a model at temperature 1, `samples` a problem. */
export async function rollouts(
  weights: Weights,
  { seed, count, samples, heldout }: { seed: number; count: number; samples: number; heldout: boolean },
): Promise<GradedAnswer[]> {
  const generator = await Generator.create(tinyModel, weights, { slots: 200, capacity: 96 + MAX_NEW_TOKENS })
  const asked = problems({ seed, count, heldout })
  const attempts = await attempt(generator, asked, { samples, temperature: 1, seed: `rollouts/${seed}` })
  await generator.release()
  return attempts.map(({ problem, text, correct }) => graded(problem, text, correct))
}

/** A gold or careless solution, graded by its final number. */
export function drawCareless(rng: Rng): GradedAnswer {
  const problem = drawProblem(rng, false)
  if (chance(rng, 0.3)) return graded(problem, goldText(problem), true)
  const { text, correct } = carelessSolution(problem, rng, { low: 0.05, high: 0.6, slip: 0.06 })
  return graded(problem, text, correct)
}

/** A gold solution, whole or with one thing spoiled. */
export function drawMutated(rng: Rng): GradedAnswer {
  const problem = drawProblem(rng, false)
  const { text, correct } = mutatedSolution(problem, rng)
  return graded(problem, text, correct)
}

/** The answer cut after one of its equations: right where the equations so far are the gold ones. */
export function cutShort(answer: GradedAnswer, rng: Rng): GradedAnswer {
  const equations = (text: string) => text.split('\n####')[0]!.split(/(?<=\.) /)
  const own = equations(answer.text)
  if (own.length < 2 || !answer.text.startsWith('First')) return answer
  const kept = pick(rng, [...own.keys()].slice(1))
  const text = own.slice(0, kept).join(' ')
  return { ...answer, text, correct: text === equations(answer.gold).slice(0, kept).join(' ') }
}

const graded = (problem: Problem, text: string, correct: boolean): GradedAnswer => ({
  question: problem.question,
  text,
  correct,
  gold: goldText(problem),
})
