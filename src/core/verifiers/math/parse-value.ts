import { cleanMath } from './clean-math.ts'

/** What a piece of mathematics says, as far as it is understood. */
export type MathValue =
  /** `integer` holds the exact digits where it was written as a whole number, so that no size loses any. */
  | { kind: 'number'; value: number; integer: string | null; percent: boolean }
  /** `brackets` as written, `{}` also for a list joined by "and"; empty for a bare list. */
  | { kind: 'list'; brackets: string; items: MathValue[] }
  /** Anything else, compared as normalised text. */
  | { kind: 'expression'; text: string }

export type MathNumber = Extract<MathValue, { kind: 'number' }>

/** Longer spans are not answers. */
const MAX_SPAN = 2000
const MAX_DEPTH = 8
const OPENING = '([{'
const CLOSING = ')]}'

/** The value of a span that is nothing but an answer (units after a number are allowed); null when it is not one. */
export function parseValue(span: string, depth = 0): MathValue | null {
  if (span.length > MAX_SPAN || depth > MAX_DEPTH) return null
  const text = cleanMath(span)
  if (text === '') return null
  return parseNumber(text) ?? parseAssigned(text, depth) ?? parseList(text, depth) ?? parseExpression(text)
}

/** A number and, at most, the words of its unit. */
function parseNumber(text: string): MathNumber | null {
  const found = scanNumber(text, 0)
  if (!found) return null
  const rest = text.slice(found.end)
  if (rest === '') return found.number
  const isUnit =
    /^[\s°]/.test(rest) &&
    rest
      .trim()
      .split(/\s+/)
      .every((word) => /^[\p{L}°'’./-]+(\^?\{?[23]\}?)?$/u.test(word))
  return isUnit ? found.number : null
}

/** `x = 5`, `f(x) = 5`, `(p, q) = (3, 2)`, `x \in [0, 1]`: the name says nothing about the value. */
function parseAssigned(text: string, depth: number): MathValue | null {
  const sign = /^(?:[A-Za-z]\w{0,2}|[A-Za-z]\([a-z]\)|\([a-z],\s?[a-z](?:,\s?[a-z])?\))\s?(?:=|\\in\b)(?!=)/.exec(text)
  return sign ? parseValue(text.slice(sign[0].length), depth + 1) : null
}

/** Two or more values with commas, semicolons or "and"/"or" between them, perhaps in brackets. */
function parseList(text: string, depth: number): MathValue | null {
  const bracketed = OPENING.includes(text[0]) && closingBracket(text, 0) === text.length - 1
  const inside = bracketed ? text.slice(1, -1) : text
  const { parts, joined } = splitTopLevel(inside)
  if (parts.length < 2)
    return bracketed && parts.length === 1 && text[0] === '{' ? parseValue(parts[0], depth + 1) : null
  const items = parts.map((part) => parseValue(part, depth + 1))
  if (items.some((item) => item === null)) return null
  const brackets = bracketed ? text[0] + text[text.length - 1] : joined ? '{}' : ''
  return { kind: 'list', brackets, items: items as MathValue[] }
}

function parseExpression(text: string): MathValue | null {
  const prose = /\p{L}{2,}['’]?\p{L}*[ ,]+\p{L}{2,}/u.test(text.replace(/\\[A-Za-z]+/g, ' \\ '))
  if (prose) return null
  const normal = text
    .replace(/\s+/g, '')
    .replace(/([_^])\{(\w)\}/g, '$1$2')
    .replace(/\\frac(\d)(\d)/g, '\\frac{$1}{$2}')
    .replace(/\\sqrt(\w)/g, '\\sqrt{$1}')
  return { kind: 'expression', text: normal }
}

/** All numbers that stand in running text, in order. A digit inside a word (`B2`) is none. */
export function numbersIn(text: string): { number: MathNumber; start: number; end: number; currency: boolean }[] {
  const found = []
  for (let i = 0; i < text.length; i++) {
    const startsHere = /[-+$€£.\d\\]/.test(text[i]) && !/[\w.]/.test(text[i - 1] ?? ' ')
    const scanned = startsHere ? scanNumber(text, i) : null
    if (!scanned) {
      // Step over the whole run of word characters, so that no number begins in the middle of one.
      while (/\w/.test(text[i]) && /\w/.test(text[i + 1] ?? ' ')) i++
      continue
    }
    found.push({ number: scanned.number, start: i, end: scanned.end, currency: /[$€£]/.test(text.slice(i, i + 3)) })
    i = scanned.end - 1
  }
  return found
}

/**
 * Reads one number at `start` of a cleaned text: sign, currency, thousands separators, decimals, exponent, fraction
 * (`a/b`, `\frac{a}{b}`), mixed number, percent.
 */
function scanNumber(text: string, start: number): { number: MathNumber; end: number } | null {
  const lead = /^[$€£]?[-+]?[$€£]?/.exec(text.slice(start, start + 3))![0]
  const sign = lead.includes('-') ? -1 : 1
  let at = start + lead.length
  let value: number
  let integer: string | null = null
  const fraction = scanFraction(text, at)
  if (fraction) {
    value = fraction.value
    at = fraction.end
  } else {
    const whole = matchAt(/\d{1,3}(?:,\d{3})+(?![\d,])|\d{1,3}(?: \d{3})+(?![\d ]*[\d/])|\d+|(?=\.\d)/y, text, at)
    if (whole === null) return null
    at += whole.length
    const decimals = matchAt(/\.\d+/y, text, at) ?? ''
    at += decimals.length
    const exponent = matchAt(/[eE][-+]?\d{1,3}(?!\w)/y, text, at) ?? ''
    at += exponent.length
    const digits = whole.replace(/[, ]/g, '')
    value = Number(`${digits || '0'}${decimals}${exponent}`)
    if (decimals === '' && exponent === '') {
      integer = digits.replace(/^0+(?=\d)/, '')
      const gap = matchAt(/ ?/y, text, at)!.length
      const part = scanFraction(text, at + gap) ?? (gap ? scanSlash(text, at + gap) : null)
      const over = part ? null : matchAt(/ ?\/ ?\d+(?:\.\d+)?(?![\d,]*\w)/y, text, at)
      if (part && part.value < 1) {
        value += part.value
        at = part.end
        integer = null
      } else if (over !== null) {
        value /= Number(over.replace(/[ /]/g, ''))
        at += over.length
        integer = null
      }
    }
  }
  if (!Number.isFinite(value)) return null
  const percent = matchAt(/\s?(?:%|percent(?:age)?\b|pct\b)/iy, text, at)
  if (integer !== null && sign < 0 && integer !== '0') integer = `-${integer}`
  return {
    number: { kind: 'number', value: sign * value, integer, percent: percent !== null },
    end: at + (percent?.length ?? 0),
  }
}

/** `\frac{a}{b}` or `\frac12`, of plain numbers. */
function scanFraction(text: string, at: number): { value: number; end: number } | null {
  const found = matchAt(
    /\\frac ?(?:\{ ?-?\d{1,300}(?:\.\d{1,300})? ?\}|\d) ?(?:\{ ?-?\d{1,300}(?:\.\d{1,300})? ?\}|\d)/y,
    text,
    at,
  )
  if (found === null) return null
  const [top, bottom] = found.match(/\{[^}]+\}|\d/g)!.map((part) => part.replace(/[{}]/g, ''))
  const value = Number(top) / Number(bottom)
  return Number.isFinite(value) ? { value, end: at + found.length } : null
}

/** The `1/2` of a mixed number. */
function scanSlash(text: string, at: number): { value: number; end: number } | null {
  const found = matchAt(/\d{1,300}\/\d{1,300}(?!\w)/y, text, at)
  if (found === null) return null
  const [top, bottom] = found.split('/')
  const value = Number(top) / Number(bottom)
  return Number.isFinite(value) ? { value, end: at + found.length } : null
}

/** What a sticky pattern matches at a position. */
function matchAt(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0] ?? null
}

function closingBracket(text: string, open: number): number {
  let depth = 0
  for (let i = open; i < text.length; i++) {
    if (OPENING.includes(text[i])) depth++
    else if (CLOSING.includes(text[i]) && --depth === 0) return i
  }
  return -1
}

function splitTopLevel(text: string): { parts: string[]; joined: boolean } {
  const parts: string[] = []
  let depth = 0
  let from = 0
  let joined = false
  for (let i = 0; i < text.length; i++) {
    if (OPENING.includes(text[i])) depth++
    else if (CLOSING.includes(text[i])) depth--
    if (depth !== 0) continue
    const word = matchAt(/ (?:and|or) /y, text, i)
    if (word === null && text[i] !== ',' && text[i] !== ';') continue
    joined ||= word !== null
    parts.push(text.slice(from, i))
    from = i + (word?.length ?? 1)
    i = from - 1
  }
  parts.push(text.slice(from))
  return { parts: parts.map((part) => part.trim()).filter((part) => part !== ''), joined }
}
