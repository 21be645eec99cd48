import { cleanMath } from './clean-math.ts'
import { numbersIn, parseValue, type MathValue } from './parse-value.ts'

/** An answer stands at the end: of a longer text only this much is read, in UTF-16 units. */
const READ_CHARS = 64_000
/** Without a marker, the answer is looked for in this much of the end. */
const CLOSING_CHARS = 4000
/** The longest a stated answer may run on. */
const STATED_CHARS = 400
/** How many markers are tried, from the last one backwards. */
const MARKERS_TRIED = 6

/** Marks of an answer and how far it runs. */
const HASHES = /####/g
const BOXED = /\\(?:boxed|fbox)\s?\{/g
const STATED =
  /\banswer(?:\s?:|\s(?:is|are|=)(?![a-z])|\s(?=[$\\]))\s?:?(?!\s?(?:correct|incorrect|right|wrong)\b)|\n[ \t]{0,8}A:|^A:/gi

/**
 * The last stated answer: behind `####`, in `\boxed{}`, behind "answer is" or "A:", whichever comes last and can be
 * read; without any of these, the number that the last sentence with a number comes down to.
 */
export function extractAnswer(text: string): MathValue | null {
  const tail = text.slice(-READ_CHARS)
  const marks = [
    ...[...tail.matchAll(HASHES)].map((mark) => ({ at: mark.index, read: () => stated(tail, mark.index + 4) })),
    ...[...tail.matchAll(BOXED)].map((mark) => ({ at: mark.index, read: () => boxed(tail, mark.index) })),
    ...[...tail.matchAll(STATED)].map((mark) => ({
      at: mark.index,
      read: () => stated(tail, mark.index + mark[0].length),
    })),
  ].sort((a, b) => b.at - a.at)
  for (const mark of marks.slice(0, MARKERS_TRIED)) {
    const value = mark.read()
    if (value) return value
  }
  return unmarked(tail.slice(-CLOSING_CHARS))
}

/** The value of a sentence that begins with the answer. A bare word that more lines follow is a heading, and none. */
function stated(text: string, from: number): MathValue | null {
  const said = text
    .slice(from, from + STATED_CHARS)
    .replace(/^[\s*_]+/, '')
    .trimEnd()
  const line = said.split('\n', 1)[0]
  const sentence = line.split(/[.!?](?:\s|$)|<\|/, 1)[0]
  const value = valueOf(sentence, 'first')
  const heading = value?.kind === 'expression' && /^\p{L}+$/u.test(value.text) && said.length > line.length
  return heading ? null : value
}

/** The content of the last `\boxed{}`; of several that only "and", commas and the like stand between, all. */
function boxed(text: string, last: number): MathValue | null {
  const inside: string[] = []
  let at = last
  for (;;) {
    const open = text.indexOf('{', at)
    const close = closingBrace(text, open)
    if (close < 0) return null
    inside.unshift(text.slice(open + 1, close))
    const before = text.lastIndexOf('\\boxed{', at - 1)
    if (at === 0 || before < 0 || inside.length === 16) break
    const end = closingBrace(text, before + 6)
    const between = end < 0 ? '?' : text.slice(end + 1, at)
    if (between.length > 40 || !/^(?:[\s,;$.+]|\\quad|\\text\{ ?and ?\}|\\[()[\]]|and)+$/.test(between)) break
    at = before
  }
  return inside.length === 1 ? valueOf(inside[0], 'first') : parseValue(`\\{${inside.join(', ')}\\}`)
}

/** No marker: the whole text where it is but an answer, else what its last sentence with a number comes down to. */
function unmarked(text: string): MathValue | null {
  const whole = text.length <= STATED_CHARS ? parseValue(text) : null
  if (whole) return whole
  const sentences = text.split(/\n|[.!?](?=\s)/)
  for (const sentence of sentences.reverse()) {
    const value = valueOf(sentence, 'last')
    if (value?.kind === 'number') return value
  }
  return null
}

/**
 * Reads a phrase: as a value where it is one; else what stands behind its last equals sign; else the number it names:
 * an amount of money before others, then the first or the last.
 */
function valueOf(phrase: string, which: 'first' | 'last'): MathValue | null {
  const withoutAside = phrase.replace(/\s\((?=\p{Ll}{2})[^()]{0,100}\)\s*$/u, '')
  const whole = parseValue(withoutAside)
  if (whole && (which === 'first' || whole.kind === 'number')) return whole
  const text = cleanMath(phrase)
  const equals = text.lastIndexOf('=')
  if (equals >= 0) {
    const [right] = numbersIn(text.slice(equals + 1))
    if (right) return right.number
  }
  const numbers = numbersIn(text)
  const money = numbers.filter(({ currency }) => currency)
  return (money.at(0) ?? numbers.at(which === 'first' ? 0 : -1))?.number ?? null
}

function closingBrace(text: string, open: number): number {
  let depth = 0
  for (let i = open; i < text.length && i < open + STATED_CHARS; i++) {
    if (text[i] === '{') depth++
    else if (text[i] === '}' && --depth === 0) return i
  }
  return -1
}
