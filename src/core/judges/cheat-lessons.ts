import { SeededRng } from '../rl/seeded-rng.ts'
import { shuffledIndices } from '../rl/shuffled-indices.ts'
import type { Attack } from '../schemas/judge-jobs.ts'
import { attackText } from './attacks.ts'
import type { GradedAnswer } from './judge-training-rows.ts'
import { aroundAnswer, type Renderer } from './template.ts'

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
  const solved = [...new Map(graded.filter(({ correct }) => correct).map((row) => [row.question, row])).values()]
  if (solved.length < 3) return []
  const asked = (question: string) => aroundAnswer(judge, question)
  return attacks.flatMap((attack) => {
    const order = [...shuffledIndices(solved.length, new SeededRng(seed, 'cheat-lessons', attack))]
    return order.slice(0, count).flatMap((index, i) => {
      const { question, answer: solution } = solved[index]!
      const other = (n: number) => {
        const { question, answer } = solved[order[(i + n) % order.length]!]!
        return { question, solution: answer }
      }
      const row = { question, solution, others: [other(1), other(2)] as const, yes: judge.labels.yes, asked }
      const answer = attackText(attack, row, new SeededRng(seed, 'cheat-lessons', attack, i))
      return answer === null ? [] : [{ question, answer, correct: false }]
    })
  })
}
