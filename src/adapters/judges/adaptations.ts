/** What refusals change in later requests: one table, a row a field. docs/providers.md says which provider needs which. */
import type { ProviderTakes } from '../../core/ports.ts'
import type { Complaint, ProviderError } from './provider-error.ts'

/** What is asked of a provider of which nothing is known. */
export const ALL_TAKEN: ProviderTakes = {
  top_logprobs: 20,
  max_tokens_field: 'max_tokens',
  max_tokens: 1,
  temperature: true,
  chat_template_kwargs: true,
}

/** How many alternatives are asked for in turn, where a refusal does not say how many there may be. */
const FEWER = [10, 5, 4, 3, 2]
/** A provider that wants more tokens than this is not asked: each would be paid for, and one is read. */
const MOST_TOKENS = 256

type Field = 'alternatives' | 'max_tokens' | 'temperature' | 'chat_template_kwargs'
/** Another request to try; or that none will do, and why; or null where the refusal is about something else. */
type Change = { takes: ProviderTakes } | { hopeless: string } | null

interface Adaptation {
  /** What servers call the field. */
  names: RegExp
  /** What a complaint about the field changes. Each change narrows what is asked, so there are only so many of them. */
  change(complaint: Complaint, takes: ProviderTakes): Change
}

const NO_LOGPROBS =
  'it gives no log-probabilities of this model, and P(Yes) is read from them. Use a model or provider that gives them ' +
  '(docs/providers.md has a table), an endpoint with /decisions, /systemone or /rerank, or a local judge. It said'
const TOO_FEW =
  'it gives fewer than two alternatives of a token, so that P(No) stays unknown; use another provider. It said'

const ADAPTATIONS: Record<Field, Adaptation> = {
  /**
   * TGI: "`top_n_tokens` must be >= 0 and <= 5"; vLLM: "Requested sample logprobs of 20, which is greater than max allowed:
   * 5", "Cannot request more than 5 logprobs"; Azure, Fireworks, Qwen: at most 5; Together: `param` alone. Reasoning
   * models, Groq, Gemini, Mistral and Bedrock know no log-probabilities.
   */
  alternatives: {
    names: /\b(top[_ ]?log_?probs|top_n_tokens|top_logprobs_num|response_?logprobs|log_?probs|log probabilities)\b/i,
    change(complaint, takes) {
      const { code, message } = complaint
      const limit = upperBound(message)
      const isLimit = limit !== null || code === 'unsupported_value' || saysOfValue(complaint, this.names, LIMIT)
      // "'logprobs' does not support true with this model."
      if (/does(n't| not) support true/i.test(message) || (!isLimit && isUnknown(complaint, this.names))) {
        return { hopeless: `${NO_LOGPROBS}: ${message}` }
      }
      if (!isLimit && complaint.field === null) return null
      if (limit !== null && limit < 2) return { hopeless: `${TOO_FEW}: ${message}` }
      const next = limit !== null && limit < takes.top_logprobs ? limit : FEWER.find((n) => n < takes.top_logprobs)
      return next === undefined ? { hopeless: `${TOO_FEW}: ${message}` } : { takes: { ...takes, top_logprobs: next } }
    },
  },

  /** OpenAI's newer models: "Use 'max_completion_tokens' instead", and "Expected a value >= 16" of a third name. */
  max_tokens: {
    names: /\b(max_(completion_|output_|new_)?tokens|max_?output_?tokens|max_?tokens)\b/i,
    change(complaint, takes) {
      const least = lowerBound(complaint)
      if (least !== null && least > takes.max_tokens && least <= MOST_TOKENS) {
        return { takes: { ...takes, max_tokens: least } }
      }
      if (takes.max_tokens_field !== 'max_tokens' || !isUnknown(complaint, /\bmax_?tokens\b/i)) return null
      return { takes: { ...takes, max_tokens_field: 'max_completion_tokens' } }
    },
  },

  /** OpenAI's newer models: "does not support 0 … Only the default (1)"; older TGIs: "must be strictly positive". */
  temperature: {
    names: /\btemperature\b/i,
    change(complaint, takes) {
      const isRefused = isUnknown(complaint, this.names) || saysOfValue(complaint, this.names, VALUE)
      return takes.temperature && isRefused ? { takes: { ...takes, temperature: false } } : null
    },
  },

  /** Whoever is strict about fields: OpenAI, Mistral, Groq, Gemini; and models that cannot but think. */
  chat_template_kwargs: {
    names: /\b(chat_template_kwargs|enable_thinking)\b/i,
    change(complaint, takes) {
      const isRefused =
        isUnknown(complaint, this.names) || saysOfValue(complaint, this.names, VALUE) || isNameless(complaint)
      return takes.chat_template_kwargs && isRefused ? { takes: { ...takes, chat_template_kwargs: false } } : null
    },
  },
}

/** A field that is not known, by no name: the least common of what was sent is tried without. */
const NAMELESS =
  /\b((unknown|unrecogni[sz]ed|unexpected|extra|additional) (request )?(field|parameter|argument|propert(y|ies)|key)s?|extra inputs are not permitted)\b(?!.{0,20}['"`[])/i
const isNameless = ({ field, message }: Pick<Complaint, 'field' | 'message'>) =>
  field === null && NAMELESS.test(message)

/** Refusals that another request may mend; OpenAI answers 403 where log-probabilities are not for this model. */
const MENDABLE = new Set([400, 403, 404, 405, 422])

/**
 * What a refusal changes, and which field: of one refusal one. Null where it is about nothing that was asked beside the
 * answer, however many of its words stand in it.
 */
export function adaptationTo(
  { status, complaints }: ProviderError,
  takes: ProviderTakes,
): (Exclude<Change, null> & { field: Field }) | null {
  if (status !== null && !MENDABLE.has(status)) return null
  const changes = complaints.flatMap((complaint) => {
    const field = subjectOf(complaint)
    const change = field && ADAPTATIONS[field].change(complaint, takes)
    return change ? [{ ...change, field }] : []
  })
  // No change helps where one complaint is about what cannot be done without.
  return changes.find((change) => 'hopeless' in change) ?? changes[0] ?? null
}

/** What both leave of the request. */
export function narrower(a: ProviderTakes, b: ProviderTakes): ProviderTakes {
  const isNewer = [a, b].some((takes) => takes.max_tokens_field === 'max_completion_tokens')
  return {
    top_logprobs: Math.min(a.top_logprobs, b.top_logprobs),
    max_tokens_field: isNewer ? 'max_completion_tokens' : 'max_tokens',
    max_tokens: Math.max(a.max_tokens, b.max_tokens),
    temperature: a.temperature && b.temperature,
    chat_template_kwargs: a.chat_template_kwargs && b.chat_template_kwargs,
  }
}

/** The field that a complaint is about: the one that the body points at, or else the first that its text names. */
function subjectOf({ field, message }: Complaint): Field | null {
  const rows = Object.entries(ADAPTATIONS) as [Field, Adaptation][]
  if (field !== null) return rows.find(([, { names }]) => names.test(field))?.[0] ?? null
  const named = rows.flatMap(([row, { names }]) => {
    const at = message.search(names)
    return at < 0 ? [] : [{ row, at }]
  })
  if (named.length === 0) return isNameless({ field, message }) ? 'chat_template_kwargs' : null
  return named.reduce((first, one) => (one.at < first.at ? one : first)).row
}

const UNKNOWN_CODE = /^(unsupported|unknown|unrecogni[sz]ed|unexpected)_(parameter|field|argument)$|^extra_forbidden$/
const UNKNOWN_WORDS =
  /\bnot (supported|permitted|allowed|enabled|available|recogni[sz]ed)|unsupported (?!value)|unknown|unrecogni[sz]ed|unexpected|extraneous|extra inputs|extra_forbidden|cannot find field|\b(does|do)(n't| not) (support|accept|allow)/i

/**
 * Whether a complaint says that a field is not known, or not for this model. Where the body does not point at the field, the
 * words must stand beside its name: a text may mention it for other reasons.
 */
function isUnknown({ field, code, message }: Complaint, names: RegExp): boolean {
  if (field !== null && !names.test(field)) return false
  if (code !== null && UNKNOWN_CODE.test(code) && (field !== null || names.test(message))) return true
  if (field !== null) return UNKNOWN_WORDS.test(message)
  const name = `['"\`\\[(]*(?:[\\w.]+\\.)?${names.source}['"\`\\])]*`
  return [
    `(unknown|unrecogni[sz]ed|unexpected|unsupported|extra|extraneous|additional|invalid) (request |keyword )?(field|param|parameter|argument|input|property|properties|key|name)s?( supplied)?[ :=]*${name}`,
    `${name}:? ?(parameter |field |option )?(is|are|was|were)? ?(currently )?(not|un)[- ]?(supported|permitted|allowed|enabled|available|recogni[sz]ed|known|expected)`,
    `${name}.{0,4}extra inputs are not permitted`,
    `(does|do|did)(n't| not) (support|accept|allow)( the)?( field| parameters?| option)?[ :]*${name}`,
    `not allowed to request ${name}`,
    `extra inputs are not permitted, field: ${name}`,
    `extra_forbidden.{0,40}${name}`,
  ].some((pattern) => new RegExp(pattern, 'i').test(message))
}

const LIMIT =
  /<|≤|\b(less|greater|more than|fewer|larger|higher|at most|at least|max|maximum|minimum|exceeds?|between|range|up to|too (many|large|high|big)|invalid|limit|limited|expected)\b/i
const VALUE =
  /<|>|≥|\b(does(n't| not) support|only|must|should|greater|less|positive|range|between|invalid|strictly|at least)\b/i

/** Whether a complaint is about a field's value: in words of the clause that names it, or of the whole where the body points at it. */
function saysOfValue({ field, message }: Complaint, names: RegExp, words: RegExp): boolean {
  if (field !== null) return words.test(message)
  const clause = message.split(/(?<=[.;!?])\s+/).find((part) => names.test(part)) ?? ''
  const beside = new RegExp(
    `invalid[^.;]{0,12}${names.source}|${names.source}['"\`]?( value)?( is| was)? (too|out of|must be|should be)`,
    'i',
  )
  return beside.test(clause) || (/\d/.test(clause.replace(names, '')) && words.test(clause))
}

/** The greatest number that a text allows; null where it says none. */
function upperBound(message: string): number | null {
  const patterns = [
    /(?:<=|≤|less than or equal to|at most|no more than|up to)\s*(\d+)/i,
    /\bmax(?:imum)?(?: allowed)?(?: value| number)?(?: is| of|:)?\s*(\d+)/i,
    /(?:cannot request|can't request|not) more than (\d+)/i,
    /\[\s*\d+\s*,\s*(\d+)\s*\]/,
    /between \d+ and (\d+)/i,
  ]
  const found = patterns.flatMap((pattern) => pattern.exec(message)?.[1] ?? []).map(Number)
  return found.length === 0 ? null : Math.min(...found)
}

/** The least number of tokens that a complaint allows; null where it says none. */
function lowerBound({ code, message }: Complaint): number | null {
  const found = /(?:>=|≥|greater than or equal to|at least|minimum(?: value)?(?: is| of|:)?|\[)\s*(\d+)/i.exec(message)
  if (found) return Number(found[1])
  // The least that any provider is known to want.
  return code === 'integer_below_min_value' ? 16 : null
}
