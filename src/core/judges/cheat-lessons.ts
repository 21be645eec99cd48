import { SeededRng } from '../rl/seeded-rng.ts'
import { shuffledIndices } from '../rl/shuffled-indices.ts'
import type { Attack } from '../schemas/judge-jobs.ts'
import { attackTexts } from './attacks.ts'
import type { GradedAnswer } from './judge-training-rows.ts'
import type { Renderer } from './template.ts'

/**
 * What a judge is taught to refuse: texts of the attacks that it is fooled by, made of right answers that are at hand.
 * @param attacks by which it is fooled
 * @param graded of which the right ones are taken; of fewer than three questions nothing is made
 * @param count texts of each attack, at most
 */
export function cheatLessons(
  attacks: readonly Attack[],
  graded: readonly GradedAnswer[],
  { judge, count, seed }: { judge: Renderer; count: number; seed: number },
): GradedAnswer[] {
  const right = graded.filter(({ correct }) => correct)
  const solved = [...new Map(right.map(({ question, answer }) => [question, answer])).entries()]
  if (solved.length < 3) return []
  return attacks.flatMap((attack) => {
    const order = shuffledIndices(solved.length, new SeededRng(seed, 'cheat-lessons', attack))
    const shuffled = [...order].map((i) => ({ question: solved[i]![0], solution: solved[i]![1] }))
    const rngOf = (i: number) => new SeededRng(seed, 'cheat-lessons', attack, i)
    const texts = attackTexts(attack, shuffled, judge, rngOf, count)
    return texts
      .slice(0, count)
      .flatMap((answer, i) => (answer === null ? [] : [{ question: shuffled[i]!.question, answer, correct: false }]))
  })
}
