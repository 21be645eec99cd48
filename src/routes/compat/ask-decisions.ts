import { GavelError } from '../../core/errors.ts'
import { decide, promptsOfDecisions, type DecisionQuestion } from '../../core/judges/decide.ts'
import type { AskedJudge } from '../../core/judges/many-options.ts'
import { openJudge } from '../../service/judges/ask-judge.ts'
import type { RouteContext } from '../http/route.ts'
import { refuseForGood } from './dialect.ts'

/** What a judge decided of a question: probabilities in order of its options (yes, then no), or null where it abstained. */
export type Decision = { probabilities: number[] | null; labelMass: number }

/** @typeParam Q a question as it was asked */
export interface Decisions<Q> {
  judge: string
  decisions: { question: Q; decision: Decision }[]
  promptTokens: number
  completionTokens: number
}

/**
 * Asks a judge questions about material.
 * @param judge by id or name; `param` is the field that named it
 * @param questions each with the field that it came in
 * @throws GavelError `judge_unreachable` when the judge failed on any: the dialects have no place for that beside answers.
 *   What would fail again, such as `prompt_too_long`, is thrown as what it is.
 */
export async function askDecisions<Q extends DecisionQuestion & { param: string }>(
  { deps, caller, request, work }: Pick<RouteContext, 'deps' | 'caller' | 'request' | 'work'>,
  judge: string,
  param: string,
  material: string,
  questions: readonly Q[],
): Promise<Decisions<Q>> {
  const prompts = (row: AskedJudge) => promptsOfDecisions(questions, row)
  const open = await openJudge(deps, caller, judge, param, prompts, { signal: request.signal, work })
  const scores = await decide(material, questions, open.judge, open.ask).finally(open.release)
  const answers = questions.map((question, i) => ({ question, score: scores[i]! }))
  for (const { question, score } of answers) {
    if (score.outcome !== 'failed') continue
    const { param } = question
    refuseForGood(score, param)
    const message = `The judge could not be had for \`${param}\`: ${score.reason.slice(0, 500)}. Send the request again: what it answered is kept.`
    throw new GavelError('judge_unreachable', message, { param })
  }
  const sum = (of: 'promptTokens' | 'completionTokens') => scores.reduce((total, { usage }) => total + usage[of], 0)
  return {
    judge: open.judge.id,
    decisions: answers.map(({ question, score }) => ({
      question,
      decision: {
        probabilities: score.outcome === 'scored' ? score.probabilities : null,
        labelMass: score.outcome === 'failed' ? 0 : score.labelMass,
      },
    })),
    promptTokens: sum('promptTokens'),
    completionTokens: sum('completionTokens'),
  }
}

/** Probabilities under the names of the options, which are in the same order. */
export const byName = (names: readonly string[], probabilities: readonly number[]): Record<string, number> =>
  Object.fromEntries(names.map((name, i) => [name, probabilities[i]!]))
