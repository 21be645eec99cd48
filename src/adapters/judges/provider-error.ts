/** What providers say in place of an answer: every shape of body that there is, read as one. */

/** One thing that is wrong, as the provider says it. */
export interface Complaint {
  /** The field that the body itself points at (`param`, pydantic's `loc`): its name, without the path. */
  field: string | null
  /** The body's word for the kind: `unsupported_parameter`, `extra_forbidden`, … */
  code: string | null
  message: string
}

export interface ProviderError {
  /** Of HTTP, or of the code that stands in the body of a 200; null where neither tells. */
  status: number | null
  /** All that was said, in one line, cut short. */
  message: string
  complaints: Complaint[]
}

const MAX_MESSAGE_CHARS = 300
/** A body may be long for reasons of its own; what is wrong stands near the beginning of a text. */
const MAX_READ_CHARS = 4000
const MAX_COMPLAINTS = 32
/** Gateways wrap errors of gateways. */
const MAX_DEPTH = 8
/** Where an object may say more. */
const INSIDE = ['error', 'errors', 'message', 'msg', 'detail', 'details', 'description', 'metadata', 'raw', 'fieldViolations'] // prettier-ignore

/** @param body as parsed, or as text where it is no JSON */
export function readProviderError(status: number | null, body: unknown): ProviderError {
  const told = unique(complaintsIn(body, { field: null, code: null }, 0)).slice(0, MAX_COMPLAINTS)
  const message = [...new Set(told.map((one) => one.message))].join('; ').replace(/\s+/g, ' ')
  return {
    status,
    message: message.slice(0, MAX_MESSAGE_CHARS) || 'no message',
    complaints: told.flatMap((one) =>
      itemsOf(one.message.slice(0, MAX_READ_CHARS)).map((message) => ({ ...one, message })),
    ),
  }
}

function complaintsIn(node: unknown, above: Omit<Complaint, 'message'>, depth: number): Complaint[] {
  if (depth > MAX_DEPTH || node === null || node === undefined) return []
  if (typeof node === 'string') {
    const inner = /^\s*[[{]/.test(node) ? parsed(node) : null
    const found = inner === null ? [] : complaintsIn(inner, above, depth + 1)
    if (found.length > 0) return found
    return node.trim() === '' ? [] : [{ ...above, message: node.trim() }]
  }
  if (Array.isArray(node)) return node.flatMap((one) => complaintsIn(one, above, depth + 1))
  if (typeof node !== 'object') return []
  const object = node as Record<string, unknown>
  const place = Array.isArray(object.loc) ? object.loc.filter((part) => part !== 'body') : null
  const own = {
    field: nameIn(place?.findLast((part) => typeof part === 'string') ?? object.param ?? object.field) ?? above.field,
    code: textOf(object.code) ?? textOf(object.type) ?? above.code,
  }
  const found = INSIDE.flatMap((key) => complaintsIn(object[key], own, depth + 1))
  // Pydantic's message alone does not say what it is about.
  return place ? found.map((one) => ({ ...one, message: `${place.join('.')}: ${one.message}` })) : found
}

/** Some put several complaints into one text: a line each, or Python's spelling of a list of dictionaries. */
const itemsOf = (text: string) => text.split(/\n+(?:\s*-\s+)?|\}, \{/).filter((item) => item.trim() !== '')

/** The last part of a path such as `body.top_logprobs` or `generationConfig.logprobs`; null for no name. */
function nameIn(path: unknown): string | null {
  const name =
    typeof path === 'string'
      ? path
          .split('.')
          .at(-1)!
          .replace(/[^\w-]/g, '')
      : ''
  return name === '' ? null : name
}

const textOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null)

function unique(complaints: Complaint[]): Complaint[] {
  return [...new Map(complaints.map((one) => [`${one.field}\n${one.message}`, one])).values()]
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Words for what a short wait may mend. */
const TRANSIENT = /rate.?limit|too.?many|resource.?exhausted/i
const BROKEN = /overload|unavailable|time.?d?.?out|server.?error|internal|bad.?gateway|capacity|upstream/i

/**
 * The error that stands in the body of a 200: beside the choices, in the first of them, or instead of them. Its code is its
 * status. Null where there is none.
 */
export function errorInside(body: unknown): ProviderError | null {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return null
  const { error, errors, choices, success, object } = body as Record<string, unknown>
  const [choice] = (Array.isArray(choices) ? choices : []) as (Record<string, unknown> | null | undefined)[]
  const isFailure = !choice && (success === false || object === 'error')
  const told = presentError(error) ?? (choice ? presentError(choice.error) : presentError(errors))
  if (told === null && isFailure) return readProviderError(statusIn(body), body)
  if (told !== null) return readProviderError(statusIn(told), told)
  if (choice?.logprobs) return null
  const ended = choice?.finish_reason
  if (ended === 'error') return readProviderError(502, 'the answer ended with finish_reason "error"')
  if (ended === 'content_filter') return readProviderError(400, 'its content filter stopped the answer')
  return null
}

/** What is there of an error: some send an empty one along with every answer. */
function presentError(value: unknown): unknown {
  if (!value) return null
  if (typeof value === 'object' && Object.keys(value).length === 0) return null
  return value
}

/** The status that an error's own code stands for; null where it has none. */
function statusIn(told: unknown): number | null {
  const error = (Array.isArray(told) ? told[0] : told) as Record<string, unknown> | string
  if (typeof error === 'string') return wordStatus(error)
  const { code, status, status_code, type, message } = error ?? {}
  for (const value of [code, status, status_code]) {
    const number = Number(value ?? NaN)
    if (number >= 100 && number < 600) return number
    // FastChat's codes: 40303 is a 403.
    if (number >= 10_000 && number < 60_000) return Math.floor(number / 100)
  }
  for (const word of [code, status, type, message]) {
    const found = typeof word === 'string' ? wordStatus(word) : null
    if (found !== null) return found
  }
  return null
}

const wordStatus = (word: string) => (TRANSIENT.test(word) ? 429 : BROKEN.test(word) ? 503 : null)
