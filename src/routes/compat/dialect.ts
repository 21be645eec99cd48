/** What the dialects of trainers, servers and SDKs have in common. Each dialect is one file beside this one. */
import * as v from 'valibot'
import { ERRORS, GavelError, type ErrorCode } from '../../core/errors.ts'
import { hasLostDigits, LOST_DIGITS } from '../../core/json.ts'
import type { ScoredItem } from '../../core/judges/score-items.ts'
import type { JudgeItem } from '../../core/judges/template.ts'
import { clipped, refuseInvalid, rewardRows, type JudgeRole, type RowReward } from '../../core/rewards/reward-rows.ts'
import { fields, number, object } from '../../core/schemas/fields.ts'
import type { RewardItem, RewardRecipe } from '../../core/schemas/reward.ts'
import type { Deps } from '../../service/deps.ts'
import { refuseBeyondAll } from '../../service/judges/ask-judge.ts'
import { judgeTogether } from '../../service/judges/judge-together.ts'
import { findRecipe } from '../../service/find-recipe.ts'
import { withPrograms } from '../../service/with-programs.ts'
import type { RouteContext } from '../http/route.ts'

/** What every dialect's route has. */
export const DIALECT = { tag: 'Compatibility', scope: 'judge', pathToken: true } as const

export type Asker = Pick<RouteContext, 'deps' | 'caller' | 'request' | 'work'>

/** The recipe that a URL names. @throws GavelError `not_found` */
export const findReward = ({ deps, caller }: Asker, named: string): Promise<RewardRecipe> =>
  findRecipe(deps.database, caller.tenant, named)

/** A row as dialects give it; `finish_reason` is `stop` where it is not told. */
export type DialectItem = Omit<RewardItem, 'finish_reason'> & { finish_reason?: RewardItem['finish_reason'] }

/**
 * Rewards rows by a recipe, judging them together with other requests'.
 * @param param how the caller names the gold answer of row i
 * @throws GavelError `unprocessable` when a gold answer cannot be compared with
 */
export async function rewardTogether(
  { deps, caller, request, work }: Asker,
  recipe: RewardRecipe,
  items: readonly DialectItem[],
  param: (row: number) => string,
): Promise<RowReward[]> {
  const rows = items.map((item): RewardItem => ({ finish_reason: 'stop', ...item }))
  try {
    // The recipe's own check: whoever has a weight is named.
    const ask = (asked: JudgeItem[], role: JudgeRole) => judgeTogether(deps, caller, recipe[role]!, 'reward', asked)
    const beforeAsking = refuseBeyondAll(deps, caller, recipe, () => 'reward', rows.length)
    const checks = deps.checks && { by: deps.checks, whose: caller.tenant }
    const rewarded = await withPrograms(deps.programs, caller.tenant, request.signal, (programs) =>
      rewardRows(recipe, rows, ask, { programs, beforeAsking, work, checks }),
    )
    refuseInvalid(rewarded.rows)
    return rewarded.rewards
  } catch (error) {
    const row = error instanceof GavelError && /^items\[(\d+)\]\.answer$/.exec(error.param ?? '')
    if (!row) throw error
    const named = param(Number(row[1]))
    throw new GavelError('unprocessable', error.message.replace(error.param!, named), { param: named })
  }
}

/** Likewise of one row. @param param how the caller names its gold answer */
export async function rewardOne(
  asker: Asker,
  recipe: RewardRecipe,
  item: DialectItem,
  param: string,
): Promise<RowReward> {
  const [reward] = await rewardTogether(asker, recipe, [item], () => param)
  return reward!
}

/** For dialects that know only numbers: what a row without a reward gets. */
export const neutralQuery = {
  neutral: v.optional(
    number(
      -1e6,
      1e6,
      'The reward of a row that the judge gave no score. Default: the middle of what the recipe can give.',
    ),
  ),
}
export const neutralOnly = fields(neutralQuery)

/** The number for a row without a score: as the caller says, or the middle of what the recipe gives. */
export function neutralReward(recipe: RewardRecipe, query: { neutral?: number | undefined }): number {
  const middle = recipe.normalise === 'row' ? 0.5 : (recipe.lambda + recipe.mu + recipe.rho) / 2
  return query.neutral ?? clipped(recipe, middle)
}

/**
 * A gold answer out of a dialect's untyped field: text, a number, a list of one, or `{answer}` of those; undefined for
 * null and for empty text, an unlabelled row. Where the recipe compares nothing, any other JSON is one as well: its text
 * is what a judge is shown for reference.
 * @throws GavelError `unprocessable` for anything else
 */
export function goldOf(value: unknown, param: string, recipe: RewardRecipe): string | undefined {
  if (value === null || value === undefined || value === '') return undefined
  if (typeof value === 'string') return value
  if (hasLostDigits(value)) throw new GavelError('unprocessable', `\`${param}\` ${LOST_DIGITS}.`, { param })
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value) && value.length === 1) return goldOf(value[0], `${param}[0]`, recipe)
  if (!Array.isArray(value) && Object.hasOwn(value, 'answer')) {
    return goldOf((value as { answer: unknown }).answer, `${param}.answer`, recipe)
  }
  if (recipe.verifier === undefined) return JSON.stringify(value)
  const message = `\`${param}\` must be the gold answer, which a verifier can compare with: text, a number, null for an unlabelled row, or an object with such an \`answer\`.`
  throw new GavelError('unprocessable', message, { param })
}

/** `{answer}`, or nothing for an unlabelled row: what to spread into an item. */
export const labelled = (answer: string | undefined) => (answer === undefined ? {} : { answer })

/** An id as other servers make them: a prefix and 32 hexadecimal digits. */
export const hexId = (deps: Deps, prefix: string) =>
  `${prefix}-${Array.from(deps.entropy.bytes(16), (byte) => byte.toString(16).padStart(2, '0')).join('')}`

export const nowSeconds = (deps: Deps) => Math.floor(deps.clock.now() / 1000)

/** Tokens of a call, in the form of OpenAI's older APIs. */
export function usageOf(scored: readonly Pick<ScoredItem, 'usage'>[]) {
  const sum = (of: 'promptTokens' | 'completionTokens') => scored.reduce((total, { usage }) => total + usage[of], 0)
  const [prompt_tokens, completion_tokens] = [sum('promptTokens'), sum('completionTokens')]
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}
export const usage = object({ prompt_tokens: v.number(), completion_tokens: v.number(), total_tokens: v.number() })

/** @throws GavelError what kept a judge from answering, where that would keep it the next time, too */
export function refuseForGood({ code, reason }: { code?: ErrorCode; reason: string }, param: string): void {
  if (code && !ERRORS[code].retryable) throw new GavelError(code, `\`${param}\`: ${reason.slice(0, 500)}.`, { param })
}
