import type { MathExpression } from '../values/math-value.ts'
import { parseValue } from '../parsing/parse-value.ts'

export interface FoundNumber {
  number: MathExpression
  start: number
  end: number
  /** Whether a sign of money stands before it. */
  currency: boolean
}

/** The longest that a number in running text is read. */
const MAX_DIGITS = 2000

/**
 * All numbers that stand in running, cleaned text, in order: sign, currency, separators, decimals, fraction, mixed
 * number, percent, scale ("million"). A digit inside a word (`B2`) is none.
 */
export function numbersIn(text: string): FoundNumber[] {
  const found: FoundNumber[] = []
  for (let i = 0; i < text.length; i++) {
    const startsHere = /[-+$€£¥₹.\d\\]/.test(text[i]!) && !/[\w.]$|\^\{?$/.test(text.slice(Math.max(0, i - 2), i))
    const spelled = startsHere ? spelledAt(text, i) : null
    const value = spelled === null || spelled.length > MAX_DIGITS ? null : parseValue(withPoint(spelled))
    if (spelled === null || value?.kind !== 'expression') {
      // Step over the whole run of word characters, so that no number begins in the middle of one.
      if (spelled !== null) i += spelled.length - 1
      while (/\w/.test(text[i]!) && /\w/.test(text[i + 1] ?? ' ')) i++
      continue
    }
    found.push({ number: value, start: i, end: i + spelled.length, currency: /[$€£¥₹]/.test(spelled) })
    i += spelled.length - 1
  }
  return found
}

/** With a point before the decimals, and none between thousands. */
function withPoint(spelled: string): string {
  const whole = /\.\d{3},\d/.test(spelled) ? spelled.replace(/\.(?=\d{3})/g, '') : spelled
  return whole.replace(/(\d),(?=\d{1,2}(?!\d))/, '$1.')
}

const LEAD = /[$€£¥₹]? ?[-+]?[$€£¥₹]? ?/y
const FRACTION = /\\frac ?(?:\{ ?-?[\d.]{1,2000} ?\}|\d) ?(?:\{ ?-?[\d.]{1,2000} ?\}|\d)/y
/** `1.234,56`, as much of Europe writes it. */
const EUROPEAN = /\d{1,3}(?:\.\d{3})+,\d{1,2}(?![\d,]|\.\d)/y
const WHOLE = /\d{1,3}(?:,\d{3})+(?![\d,])|\d{1,3}(?: \d{3})+(?![\d ]*[\d/])|\d+|(?=\.\d)/y
/** `2,74`, but not the pair in `(2,74)`. */
const COMMA = /,\d{1,2}(?![\d,)\]}])/y
const BEHIND =
  / ?\\frac ?(?:\{\d{1,9}\}|\d) ?(?:\{\d{1,9}\}|\d)| \d{1,9}\/\d{1,9}(?!\w)| ?\/ ?\d+(?:\.\d+)?(?![\d,]*\w)/y
const SHARE = / ?(?:[%‰]|percent(?:age)?\b|pct\b)| (?:thousand|million|billion|trillion)\b/iy

/** The characters of the number at a position; null where none is. */
function spelledAt(text: string, start: number): string | null {
  let at = start
  const match = (pattern: RegExp): boolean => {
    pattern.lastIndex = at
    const length = pattern.exec(text)?.[0].length ?? -1
    at += Math.max(length, 0)
    return length >= 0
  }
  match(LEAD)
  if (!match(FRACTION) && !match(EUROPEAN)) {
    if (!match(WHOLE)) return null
    const whole = at
    match(/\.\d+/y)
    if (at === whole && !'([{,'.includes(text[start - 1] ?? ' ')) match(COMMA)
    match(/[eE][-+]?\d{1,3}(?!\w)/y)
    if (at === whole) match(BEHIND)
  }
  match(SHARE)
  return text.slice(start, at)
}
