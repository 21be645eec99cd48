import { GavelError } from '../../core/errors.ts'
import type { RunContext } from './run-context.ts'

/** Longest row of supervised training where the job names none and the model has room for it. */
const USUAL_ROW = 1024

/**
 * Longest row in tokens: what the job says, else what is usual and the model's context holds; an event says where that
 * is less. Throws `prompt_too_long` where the job asks for more than the context.
 */
export function rowLimit(given: number | undefined, contextLength: number, context: RunContext): number {
  if (given !== undefined && given > contextLength) {
    throw tooLarge('max_tokens', `is ${given}, but the model's context is ${contextLength} tokens; give ${contextLength} at most, or leave it out`) // prettier-ignore
  }
  if (given !== undefined) return given
  const limit = Math.min(USUAL_ROW, contextLength)
  if (limit < USUAL_ROW) sayClamped({ max_tokens: limit }, contextLength, context)
  return limit
}

export interface AnswerLimits {
  max_prompt_tokens: number
  max_new_tokens: number
}

/**
 * Longest prompt and answer in tokens, which have to fit the model's context together: what the job says, else what is
 * usual, or less where the context is smaller; answers then get half of it at most. An event says so. Throws
 * `prompt_too_long`, with numbers that would fit, where the job asks for more than the context.
 */
export function answerLimits(
  given: Partial<Record<keyof AnswerLimits, number | undefined>>,
  usual: AnswerLimits,
  contextLength: number,
  context: RunContext,
): AnswerLimits {
  const { max_prompt_tokens: prompt, max_new_tokens: answer } = given
  for (const [field, value, other] of [
    ['max_prompt_tokens', prompt, 'an answer'],
    ['max_new_tokens', answer, 'a prompt'],
  ] as const) {
    if (value === undefined || value < contextLength) continue
    throw tooLarge(field, `is ${value}, but the model's context is ${contextLength} tokens, and ${other} needs some of them; give ${contextLength - 1} at most, or leave it out`) // prettier-ignore
  }
  if (prompt !== undefined && answer !== undefined && prompt + answer > contextLength) {
    throw tooLarge(
      'max_new_tokens',
      `(${answer}) and max_prompt_tokens (${prompt}) are ${prompt + answer} together, more than the ${contextLength} of the model's context; lower max_prompt_tokens to ${contextLength - answer}, or max_new_tokens to ${contextLength - prompt}, or leave one of them out`,
    )
  }
  const room = prompt === undefined ? Math.max(1, Math.floor(contextLength / 2)) : contextLength - prompt
  const max_new_tokens = answer ?? Math.min(usual.max_new_tokens, room)
  const max_prompt_tokens = prompt ?? Math.min(usual.max_prompt_tokens, contextLength - max_new_tokens)
  const clamped = {
    ...(prompt === undefined && max_prompt_tokens < usual.max_prompt_tokens && { max_prompt_tokens }),
    ...(answer === undefined && max_new_tokens < usual.max_new_tokens && { max_new_tokens }),
  }
  if (Object.keys(clamped).length > 0) sayClamped(clamped, contextLength, context)
  return { max_prompt_tokens, max_new_tokens }
}

function sayClamped(limits: Record<string, number>, contextLength: number, { event, resume }: RunContext): void {
  if (resume) return
  const named = Object.entries(limits).map(([field, limit]) => `${field} is ${limit}`)
  event('info', `${named.join(' and ')}, to fit the model's context of ${contextLength} tokens`, { ...limits, context: contextLength }) // prettier-ignore
}

const tooLarge = (field: keyof AnswerLimits | 'max_tokens', message: string) =>
  new GavelError('prompt_too_long', `${field} ${message}`, { param: `config.${field}` })
