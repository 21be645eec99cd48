import type { TokenUsage } from '../ports.ts'

/** More tokens than this are those of no one call: the longest contexts there are hold ten million. */
const MAX_CALL_TOKENS = 20_000_000

export const NO_USAGE: TokenUsage = { promptTokens: 0, completionTokens: 0 }

/**
 * What the `usage` of a provider's answer says, in any dialect. A count that is not said is 0; one that is no count (below 0,
 * broken, text, or beyond what a call can have) makes both unknown, since neither can be trusted then.
 */
export function readUsage(usage: unknown): TokenUsage {
  const said = (typeof usage === 'object' && usage !== null ? usage : {}) as Record<string, unknown>
  const promptTokens = said.prompt_tokens ?? said.input_tokens ?? said.total_tokens ?? 0
  const completionTokens = said.completion_tokens ?? said.output_tokens ?? 0
  const isKnown = (usage == null || said === usage) && isCount(promptTokens) && isCount(completionTokens)
  return isKnown ? { promptTokens, completionTokens } : { ...NO_USAGE, uncounted: 1 }
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_CALL_TOKENS

/** All tokens of some calls. */
export function sumTokens(usages: readonly TokenUsage[]): TokenUsage {
  const total = (of: keyof TokenUsage) => usages.reduce((sum, usage) => sum + (usage[of] ?? 0), 0)
  const uncounted = total('uncounted')
  return {
    promptTokens: total('promptTokens'),
    completionTokens: total('completionTokens'),
    ...(uncounted > 0 && { uncounted }),
  }
}
