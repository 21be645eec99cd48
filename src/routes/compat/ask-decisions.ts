import { GavelError } from '../../core/errors.ts'
import { decide, promptsOfDecisions, type DecisionQuestion } from '../../core/judges/decide.ts'
import type { AskedJudge } from '../../core/judges/many-options.ts'
import type { LabelScores } from '../../core/judges/score-labels.ts'
import { openJudge } from '../../service/judges/ask-judge.ts'
import type { RouteContext } from '../http/route.ts'
import { refuseForGood } from './dialect.ts'

/** What a judge decided of a question: probabilities in order of its options (yes, then no), or null where it abstained. */
export type Decision = { probabilities: number[] | null; labelMass: number }

export interface Decisions {
  judge: string
  decisions: Decision[]
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
export async function askDecisions(
  { deps, caller, request }: Pick<RouteContext, 'deps' | 'caller' | 'request'>,
  judge: string,
  param: string,
  material: string,
  questions: readonly (DecisionQuestion & { param: string })[],
): Promise<Decisions> {
  const prompts = (row: AskedJudge) => promptsOfDecisions(questions, row)
  const open = await openJudge(deps, caller, judge, param, prompts, request.signal)
  const scores = await decide(material, questions, open.judge, open.ask).finally(open.release)
  const failed = scores.findIndex(({ outcome }) => outcome === 'failed')
  if (failed >= 0) {
    const failure = scores[failed] as Extract<LabelScores, { outcome: 'failed' }>
    const { param } = questions[failed]
    refuseForGood(failure, param)
    const message = `The judge could not be had for \`${param}\`: ${failure.reason.slice(0, 500)}. Send the request again: what it answered is kept.`
    throw new GavelError('judge_unreachable', message, { param })
  }
  const sum = (of: 'promptTokens' | 'completionTokens') => scores.reduce((total, { usage }) => total + usage[of], 0)
  return {
    judge: open.judge.id,
    decisions: scores.map((score) => ({
      probabilities: score.outcome === 'scored' ? score.probabilities : null,
      labelMass: score.outcome === 'failed' ? 0 : score.labelMass,
    })),
    promptTokens: sum('promptTokens'),
    completionTokens: sum('completionTokens'),
  }
}
