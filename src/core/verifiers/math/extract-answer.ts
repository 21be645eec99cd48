import { asciiDigits, cleanMath } from './clean-math.ts'
import type { MathExpression, MathValue } from './math-value.ts'
import { readNumberWords } from './number-words.ts'
import { numbersIn, type FoundNumber } from './numbers-in.ts'
import { isNumber, parseValue, readings } from './parse-value.ts'
import { saysEverything } from './real-set.ts'
import { sameValue } from './same-value.ts'
import { saysNone } from './says-none.ts'

/** An answer stands at the end: of a longer text only this much is read, in UTF-16 units. */
const READ_CHARS = 64_000
/** Without a marker, the answer is looked for in this much of the end. */
const CLOSING_CHARS = 4000
/** The longest a stated answer may run on. */
const STATED_CHARS = 400
/** How many markers are tried, from the last one backwards. */
const MARKERS_TRIED = 6
/** How many sentences without an answer are passed over. */
const SENTENCES_TRIED = 200

/** Marks of an answer and how far it runs. */
const HASHES = /####/g
const BOXED = /\\(?:boxed|fbox)\s?\{/g
const STATED =
  /(?<!(?:\bnot|n['’]t) (?:true|the case|correct|right|clear|certain|sure) (?:that|if|whether) (?:(?:the|my|its|his|her) )?(?:(?:final|correct|right) )?)\banswer(?:\s?:|\s(?:is|are|=)(?![a-z])|\s(?=[$\\]))\s?:?(?!\s?(?:correct|incorrect|right|wrong|not|no longer)\b)|\bans\s?[:.=]|\b(?:option|choice)\sis(?![a-z])|\n[ \t]{0,8}A:|^A:/gi
/** The field of a JSON object. */
const FIELD = /"(?:final_?)?answer"\s?:\s?(?:"([^"]{1,400})"|([^\s"{},]{1,80}))/gi
/** Where a sentence ends; `p.m. `, `sq. ` and `Rs. ` end none. */
const SENTENCE_END = /(?<!\b(?:[ap]\.?m|sq|cu|rs))[.!?](?=\s)/i
/** What says of a stated answer only that it is one of those that follow. */
const HEDGE =
  /^(?:(?:could|may|might|must|should|would|can) be )?(?:either|(?:somewhere )?between) (?=\S)|^(?:could|may|might|must|should|would|can) be (?=\S)/i

/**
 * Every way to read the last stated answer, the likeliest first: behind `####`, in `\boxed{}`, behind "answer is" or
 * "A:", whichever comes last and can be read; without any of these, the mathematics or the number that the last sentence
 * with one comes down to. Empty when there is none.
 */
export function extractAnswer(text: string): MathValue[] {
  const tail = asciiDigits(text.slice(-READ_CHARS))
  const marks = [
    ...[...tail.matchAll(HASHES)].map((mark) => ({ at: mark.index, read: () => stated(tail, mark.index + 4) })),
    ...[...tail.matchAll(BOXED)].map((mark) => ({ at: mark.index, read: () => boxed(tail, mark.index) })),
    ...[...tail.matchAll(STATED)].map((mark) => ({
      at: mark.index,
      read: () => stated(tail, mark.index + mark[0].length),
    })),
    ...[...tail.matchAll(FIELD)].map((mark) => ({
      at: mark.index,
      read: () => valuesOf((mark[1] ?? mark[2])!, 'first'),
    })),
  ].sort((a, b) => b.at - a.at)
  for (const mark of marks.slice(0, MARKERS_TRIED)) {
    const values = mark.read()
    if (values.length > 0) return values.map(oneOfEquals)
  }
  return unmarked(tail.slice(-CLOSING_CHARS)).map(oneOfEquals)
}

/** `0.5 or 1/2`: one answer, said twice. */
function oneOfEquals(value: MathValue): MathValue {
  if (value.kind !== 'list' || value.joined !== 'or' || value.open !== '') return value
  const [first] = value.items
  return first && value.items.every((item) => sameValue(item, first)) ? first : value
}

/** The value of a sentence that begins with the answer. A bare word that more lines follow is a heading, and none. */
function stated(text: string, from: number): MathValue[] {
  const said = text
    .slice(from, from + STATED_CHARS)
    .replace(/^[\s*_:]+/, '')
    .trimEnd()
  const matrix = /^\s*(?:\$\$?|\\\[|\\\()?\s*\\begin\{[\s\S]*?\\end\{\w+\}/.exec(said)
  const line = matrix ? matrix[0] : joinDisplay(said).split('\n', 1)[0]!
  const quoted = /^\\?["“](.*?)\\?["”]/.exec(line)
  const sentence = `${quoted?.[1] ?? line} `
    .split(SENTENCE_END, 1)[0]!
    .split('<|', 1)[0]!
    .replace(HEDGE, '')
    .replace(/[\s*_]+$/, '')
  const values = valuesOf(sentence, 'first')
  const heading = /^[\s*_]*\p{L}+[\s*_:]*$/u.test(sentence) && said.length > line.length
  return heading ? [] : values
}

/** Display mathematics on one line. */
function joinDisplay(text: string): string {
  return text.replace(/\$\$[^$]{0,1000}\$\$|\\\[[^\]]{0,1000}\\\]/g, (display) => display.replace(/\n/g, ' '))
}

/** The content of the last `\boxed{}`; of several that only "and", commas and the like stand between, all. */
function boxed(text: string, last: number): MathValue[] {
  const inside: string[] = []
  let at = last
  for (;;) {
    const open = text.indexOf('{', at)
    const close = closingBrace(text, open)
    if (close < 0) return []
    inside.unshift(text.slice(open + 1, close))
    const before = text.lastIndexOf('\\boxed{', at - 1)
    if (at === 0 || before < 0 || inside.length === 16) break
    const end = closingBrace(text, before + 6)
    // One box inside another is but that.
    const between = end < 0 || end > at ? '?' : text.slice(end + 1, at)
    if (!isJoint(between)) break
    at = before
  }
  if (inside.length > 1) return readings(`\\{${inside.join(', ')}\\}`)
  const close = closingBrace(text, text.indexOf('{', last))
  const percent = /^[\s$]{0,3}(?:\\?%|percent\b|pct\b)/.test(text.slice(close + 1, close + 14)) ? '%' : ''
  return valuesOf(inside[0] + percent, 'first')
}

/** Whether two boxes with this between them are one answer: "and", commas, a name for the second, "for part (a)". */
function isJoint(between: string): boolean {
  if (between.length > 60) return false
  if (/^(?: [A-Za-z]+){1,2} and $/.test(between)) return true
  const rest = between
    .replace(/\\(?:text|quad|qquad|mathrm)|\bfor part \(\w\)|\bor\b|\band\b|[\s,;$.+{}\\]|\\?[()[\]]/g, ' ')
    .trim()
  return rest === '' || (/\b(?:and|or)\b|,/.test(between) && /^[A-Za-z](?:_ ?\w)? ?=$/.test(rest))
}

const FORMULA_ALONE = /^\s*\$[^$]+\$\s*$|^\s*\$\$[^$]+\$\$\s*$/

/** No marker: the whole text where it is but an answer, else what its last sentence with an answer comes down to. */
function unmarked(text: string): MathValue[] {
  const whole = text.length <= STATED_CHARS && !text.trim().includes('\n') ? readings(conclusion(text)) : []
  const [likeliest] = whole
  if (likeliest && (!isProse(likeliest) || FORMULA_ALONE.test(text))) return whole
  const sentences = joinDisplay(text)
    .split('\n')
    .flatMap((line) => line.split(SENTENCE_END))
  const last = sentences.findLast((sentence) => /\p{L}/u.test(sentence))
  for (const whole of sentences.reverse().slice(0, SENTENCES_TRIED)) {
    const sentence = conclusion(DENIES.test(whole) ? (whole.split(/\bbut\b/)[1] ?? '') : whole)
    const other = lastFormula(sentence) ?? closing(sentence)
    if (other) return other
    const values = valuesOf(sentence, 'last')
    const [value] = values
    if (value && isNumber(value)) return values
    const inWords = whole === last ? numberInWords(sentence) : null
    if (inWords) return [inWords]
  }
  return []
}

/** The number that a sentence without digits ends with, or nearly: `She has twenty-four eggs left`. */
function numberInWords(sentence: string): MathValue | null {
  const words = sentence.match(/[\p{L}'’-]+/gu) ?? []
  if (/\d/.test(sentence) || words.length > 60) return null
  const found: { at: number; value: number; used: number }[] = []
  for (let at = 0; at < words.length; at++) {
    const number = readNumberWords(words.slice(at))
    if (!number) continue
    found.push({ at, ...number })
    at += number.used - 1
  }
  const [number, another] = found
  if (!number || another) return null
  const { at, value, used } = number
  // `one` may stand for a thing.
  return value > 1 && at + used >= words.length - 3 ? parseValue(words.slice(at, at + used).join(' ')) : null
}

/** `It is not true that …`. */
const DENIES = /(?:\bnot|n['’]t) (?:true|the case|correct|right|clear|certain|sure) (?:that|if|whether)\b/i

const CONNECTIVES =
  /(?:^\s*|[,;]? )(?:so|thus|hence|therefore|then|finally|clearly|overall|giving|making|leaving|totall?ing|for a total of|which (?:means|gives|is|makes|leaves)),? (?=\S)/gi

/** What a sentence comes to, where it says so and has a number there: `3x = 15, so x = 5`, `Thus, n = 14`. */
function conclusion(sentence: string): string {
  const found = [...sentence.matchAll(CONNECTIVES)].at(-1)
  const rest = found && sentence.slice(found.index + found[0].length)
  return rest !== undefined && /\d/.test(rest) ? rest : sentence
}

/** What a sentence may end with that is no number: a time, a tuple, a ratio, several numbers, that there is none. */
const CLOSINGS = [
  /(?:^|\s)(\d{1,2}(?::\d{2})? ?[ap]\.?m\.?)[\s.*]*$/i,
  /(?:^|\s)(\((?:[^(),\s]{1,80}, ?){1,9}[^(),\s]{1,80}\))[\s.*]*$/,
  /(?:^|\s)(\d{1,6}(?: ?: ?\d{1,6}){1,3})[\s.*]*$/,
  /\b(?:ratio|odds)\b.{0,200} (\d{1,6} to \d{1,6})[\s.*]*$/i,
  /\bare:? (-?[\d./]{1,20}(?:(?:, -?[\d./]{1,20}){1,20}(?:,? and -?[\d./]{1,20})?| and -?[\d./]{1,20}))[\s*]*$/,
  /\b(no (?:real |integer )?solutions?|does not exist|infinitely many solutions)[\s.*]*$/i,
]

function closing(given: string): MathValue[] | null {
  const sentence = given.replace(/\$(-?[\d./]{1,20})\$/g, '$1')
  for (const form of CLOSINGS) {
    const found = form.exec(sentence)
    const values = found ? readings(found[1]!).filter(({ kind }) => kind !== 'expression') : []
    if (values.length > 0) return values
  }
  return null
}

const SAYS_HOW_MANY = /^(?:infinitely many(?: solutions)?|does not exist)$/i

/** Words that nothing marks as an answer, other than the usual ways to say none, or all. */
function isProse(value: MathValue): boolean {
  if (value.kind !== 'text' || !value.text.includes(' ') || SAYS_HOW_MANY.test(value.text)) return false
  return !saysNone(value.text) && !saysEverything(value.text)
}

const FORMULA =
  /\$\$([^$]{1,1000})\$\$|\$([^$]{1,1000})\$|\\\(([^()]{1,1000}(?:\([^()]{0,200}\)[^()]{0,200}){0,8})\\\)|\\\[([^\]]{1,1000})\\\]/g

/** The last formula between delimiters, where it says more than a number and no number follows it. */
function lastFormula(sentence: string): MathValue[] | null {
  if (!/[$\\]/.test(sentence)) return null
  const last = [...sentence.matchAll(FORMULA)].at(-1)
  const inside = last && (last[1] ?? last[2] ?? last[3] ?? last[4])
  if (!inside || !/[\\<>=≤≥≠^]|^\s*\(.*,.*\)\s*$/.test(inside)) return null
  if (/\d/.test(sentence.slice(last.index + last[0].length))) return null
  const values = readings(inside).filter(({ kind }) => kind !== 'text')
  return values.length > 0 ? values : null
}

/** `18 out of 20`, and of chances `1 in 6`. */
const SHARE = /(?<![\d.,/])(\d{1,9}) out of (?:every )?(\d{1,9})(?![\d.,/]*\d)/
const CHANCE = /(?<![\d.,/])(\d{1,9}) (?:in|out of) (?:every )?(\d{1,9})(?![\d.,/]*\d)/
/** What stands before a number that is not the answer. */
const EXCLUDES = /(?:(?:\b(?:can)?not|n't)(?: (?:be|equal(?: to)?|have))?|\bno longer|\brather than|\binstead of) $/
/** What makes a number a bound, and so not the answer; `needs at least 24` says what the least is, and that is asked for. */
const BOUNDS =
  /(?:\b(?:less|more|fewer|greater|smaller|larger|higher|lower|upwards) (?:than|of)(?: or equal to)?|\bat most|(?<!\b(?:needs?|needed|requires?|required|must|should|ha(?:s|ve) to)(?: (?!be )\w+){0,3} )\bat least|(?:\b(?:is|are|be|was|were|costs?|has|have) |^ ?)(?:over|under|above|below|up to)) $/
/** How far back these are looked for. */
const BEFORE = 60
/** `(12 + 12)`: how it came about. */
const SUM_ASIDE = /\s\([\d\s$.]{1,20}[-+*/×÷][\d\s$.+*/×÷=-]{1,60}\)[\s.]*$/
/** `(forty-two)`, `or so`, `, I think`. */
const ASIDE = /\s\((?=\p{Ll}{2})[^()]{0,100}\)[\s.]*$| or so\b.*$|,? I (?:think|believe|guess|suppose|hope)\b.*$/u

/**
 * Reads a phrase: as a value where it is one; else what stands behind its last equals sign; else the number it names:
 * an amount of money before others, then the first or the last.
 */
function valuesOf(phrase: string, which: 'first' | 'last'): MathValue[] {
  const withoutAside = phrase.replace(ASIDE, '')
  const whole = readings(withoutAside)
  const [likeliest] = whole
  if (likeliest && (which === 'first' || isNumber(likeliest))) return whole
  const formula = which === 'first' ? leadingFormula(phrase) : null
  if (formula) return formula
  const plain = withoutAside.replace(SUM_ASIDE, '')
  const text = cleanMath(/\d/.test(plain) ? plain : phrase)
  const equals = text.lastIndexOf('=')
  if (equals >= 0) {
    const right = text.slice(equals + 1)
    const value = parseValue(right)
    if (value && isNumber(value)) return [value]
    const [first] = numbersIn(right)
    if (first) return [first.number]
  }
  const share = (/\b(?:probability|chance|odds)\b/i.test(text) ? CHANCE : SHARE).exec(text)
  if (share) {
    const [said, part, total] = share
    const beside = which === 'first' ? text.slice(0, share.index) : text.slice(share.index + said.length)
    if (!/\d/.test(beside)) return [`${part}/${total}`, part!].flatMap(readings)
  }
  // `17 (not 18)`, `more than 18`: what is not the answer.
  const numbers = numbersIn(text).filter(({ start }) => {
    const before = text.slice(Math.max(0, start - BEFORE), start)
    return !EXCLUDES.test(before) && !BOUNDS.test(before)
  })
  const money = numbers.filter(({ currency }) => currency)
  const begins = which === 'first' && numbers.at(0)?.start === 0
  const chosen = begins ? numbers[0] : (money.at(0) ?? numbers.at(which === 'first' ? 0 : -1))
  if (!chosen || hasAlternative(chosen, numbers, text)) return []
  return [amountAround(chosen, text) ?? chosen.number]
}

/** `2 hours and 30 minutes`, `5 feet 3 inches`. */
const AMOUNTS =
  /(?<![\w.,])\d{1,6}(?:\.\d{1,6})? ?\p{L}{1,12}(?:(?:,? and|,)? \d{1,6}(?:\.\d{1,6})? ?\p{L}{1,12}){1,3}(?!\w)/gu

/** The amount in several units of a kind that a number is a part of. */
function amountAround({ start }: FoundNumber, text: string): MathExpression | null {
  for (const { index, 0: amount } of text.matchAll(AMOUNTS)) {
    if (start < index || start >= index + amount.length) continue
    const value = parseValue(amount)
    if (value?.kind === 'expression' && value.unit) return value
  }
  return null
}

const ALTERNATIVE = /^ ?(?:or|to|,?(?: or)? (?:maybe|perhaps|possibly)) ?$/

/** Whether a number is only one end of a range, or one of two that it may be: `6 to 7`, `between 6 and 7`, `6 or 7`. */
function hasAlternative(chosen: FoundNumber, numbers: FoundNumber[], text: string): boolean {
  const at = numbers.indexOf(chosen)
  const pairs = [numbers.slice(at, at + 2), at > 0 ? numbers.slice(at - 1, at + 1) : []]
  return pairs.some(([first, second]) => {
    if (!first || !second || sameValue(first.number, second.number)) return false
    const joint = text.slice(first.end, second.start)
    return ALTERNATIVE.test(joint) || (joint === ' and ' && /\bbetween $/i.test(text.slice(0, first.start)))
  })
}

/** The formula that a sentence begins with, or comes to after a few words without a number. */
function leadingFormula(phrase: string): MathValue[] | null {
  const [first] = phrase.matchAll(FORMULA)
  const inside = first && (first[1] ?? first[2] ?? first[3] ?? first[4])
  if (!inside || /\d/.test(phrase.slice(0, first.index))) return null
  // `The largest $n$ is 34`.
  const said = /^ (?:is|are|equals) (?=[\d$\\-])(.*)$/s.exec(phrase.slice(first.index + first[0].length))
  if (said) return valuesOf(said[1]!, 'first')
  const percent = /^ ?(?:\\?%|percent\b|pct\b)/.test(phrase.slice(first.index + first[0].length)) ? '%' : ''
  const values = readings(inside + percent).filter(({ kind }) => kind !== 'text')
  return values.length > 0 ? values : null
}

function closingBrace(text: string, open: number): number {
  let depth = 0
  for (let i = open; i < text.length && i < open + 4 * STATED_CHARS; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '{') depth++
    else if (text[i] === '}' && --depth === 0) return i
  }
  return -1
}
