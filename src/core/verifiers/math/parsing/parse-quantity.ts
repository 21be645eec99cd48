import { variables, type Node } from '../arithmetic/expression.ts'
import type { MathExpression } from '../values/math-value.ts'
import { readNumberWords, readWrittenNumber, SCALES } from './number-words.ts'
import { parseExpression } from './parse-expression.ts'
import { divide, rational } from '../arithmetic/rational.ts'
import { times } from '../values/same-quantity.ts'
import { spellText } from '../values/spell-text.ts'
import { conversion, knownUnit, leadingUnit, unitOf, type KnownUnit, type Unit } from '../units/units.ts'

/** How many places an amount is tried to be parted from its unit. */
const MAX_PARTINGS = 12

/** An expression, perhaps with money before it, percent, a scale, or words of its unit behind it. */
export function parseQuantity(text: string): MathExpression | null {
  const sign = /^([-+]?) ?(?:US|CA|AU|NZ|HK)?([$€£¥₹₩₽]) ?/.exec(text)
  let body = sign ? sign[1] + text.slice(sign[0].length) : text
  let money = sign?.[2] ?? ''
  const behind = /^(.*\d) ?([$€£¢¥₹₩₽])$/.exec(body)
  if (behind) {
    body = behind[1]!
    money = behind[2]!
  }
  const million = money === '' ? null : /^([\d.,]+) ?(M|m|mn|B|bn|T)$/.exec(body)
  if (million) return scaled(million[1]!, MONEY_SCALES[million[2]!]!, text, money)
  const rate = money === '' ? null : /^(.*\d) ?(?:\/ ?|per |an? |each |every )(\p{L}{2,})$/u.exec(body)
  if (rate) return quantity(rate[1]!, text, false, `${money}/${rate[2]}`)
  const share = /^(.*[\d)}]) ?(?:%|percent(?:age)?|pct)((?: (?:of )?[\p{L} '-]*)?)$/iu.exec(body)
  if (share) return computes(share[2]!) ? null : quantity(share[1]!, text, true, null)
  const thousandths = /^(.*[\d)}]) ?‰$/.exec(body)
  if (thousandths) return quantity(`(${thousandths[1]})/1000`, text, false, null)
  const angle = /^(.*[\d)}π]) ?°$/.exec(body)
  if (angle && !/sin|cos|tan|cot|sec|csc/.test(body)) return quantity(angle[1]!, text, false, '°')
  const amount = money === '' ? measured(body, text) : null
  if (amount) return amount
  const words = body.split(' ')
  let from = words.length
  while (from > 1 && (isUnitWord(words[from - 1]!) || isScale(words[from - 1]!))) from--
  const head = words.slice(0, from).join(' ')
  const tail = words.slice(from).join(' ')
  const isMeasured = tail !== '' && /^\p{L}{3}|^\p{L}+\/\p{L}/u.test(tail) && /\d/.test(head)
  const unit = money || tail
  const found = (isMeasured ? quantity(head, text, false, unit) : null) ?? quantity(body, text, false, money)
  const scale = SCALES.get(words[from]?.toLowerCase() ?? '')
  if (words.slice(scale === undefined ? from : from + 1).some(isScale)) return null
  if (found && (!isMeasured || scale === undefined)) return found
  if (from === words.length) return null
  if (scale !== undefined) return scaled(head, scale, text, money || words.slice(from + 1).join(' '))
  return /\d/.test(head) ? quantity(head, text, false, unit) : null
}

const MONEY_SCALES: Record<string, number> = { M: 1e6, m: 1e6, mn: 1e6, B: 1e9, bn: 1e9, T: 1e12 }

/** Letters that may stand for a factor as well: without a space before them they are no unit. */
const FACTORS = /^(?:cd|ct|sr|ly|lm|lx|as|fs|ps|pt|ha|hm|dm|dg|mt|kt|[A-Zbdt])$/
const ATTACHED_LETTER = /^[VNJWALΩ]$/
/** Products of letters that are units more likely than variables. */
const LETTERS_ALONE = /^[\p{L}](?: [\p{L}])+$/u
const LETTER_UNITS = /^(?:[NWVAJC] ?[msAhV]|m s)$/

/** An amount and a known unit, as early as one can begin: `5 m/s`, `12 kg*m/s^2`, `101.3kPa`. */
function measured(body: string, text: string): MathExpression | null {
  const [, amount, attached] = /^(.*\d) ?(\p{L}[\p{L}°Ω]*(?:[\^*/{}()\d\p{L}. -].*)?)$/u.exec(lastNumber(body)) ?? []
  if (amount !== undefined && attached !== undefined && body.charAt(amount.length) !== ' ') {
    const short = FACTORS.test(attached) && !ATTACHED_LETTER.test(attached)
    const unit = short ? null : knownUnit(attached)
    if (unit && /\p{L}{2}|[/^*]|^[VNJWALΩ]$/u.test(attached)) return withUnit(amount, text, unit)
  }
  let at = -1
  for (let parting = 0; parting < MAX_PARTINGS; parting++) {
    at = body.indexOf(' ', at + 1)
    if (at < 0) return null
    const [head, tail] = [body.slice(0, at), body.slice(at + 1)]
    if (!/[\d)}π]$/.test(head) || !/[\dπ]/.test(head) || !/^[\p{L}°Ω\\(]/u.test(tail)) continue
    if (LETTERS_ALONE.test(tail) && !LETTER_UNITS.test(tail)) continue
    const unit = knownUnit(tail) ?? (/\d$/.test(head) ? leadingUnit(tail) : null)
    if (!unit || (tail.length === 1 && hasVariables(head))) continue
    const found = withUnit(head, text, unit)
    if (found) return found
  }
  return null
}

/** A body whose letters all stand behind its last plain digits. */
function lastNumber(body: string): string {
  return /^[-+]?[\d.,/ ]*\d ?\p{L}/u.test(body) ? body.replace(/^([-+]?[\d.,/ ]*\d) ?(?=\p{L})/u, '$1') : ''
}

function withUnit(head: string, text: string, unit: KnownUnit[]): MathExpression | null {
  const found = quantity(head, text, false, null)
  return found && { ...found, unit }
}

/** Words that make another number of the one before or behind them. */
const COMPUTING =
  /(?<![\p{L}])(?:squared|cubed|factorial|doubled|tripled|halved|quadrupled|hal(?:f|ves)|thirds?|quarters?|fourths|fifths|sixths|sevenths|eighths|ninths|tenths|hundredths?|thousandths?|millionths?|over|below|under|above|beyond|past|times|plus|minus|divided|multiplied|than|out|root|reciprocal|inverse|negative|zero|modulo|mod|choose|to|or|and|not|never|but|except|short|percent|dozens?|hundreds?|thousands?|millions?|billions?|trillions?|raised|power|log|most|least|maximum|minimum|tops|repeating|recurring|gross|max|point|upwards?|onwards?|is|are|was|were|be|wrong|incorrect|false)(?![\p{L}])/iu

/** Whether words make another number of the one that they stand beside. */
export const computes = (words: string): boolean => COMPUTING.test(words)

const isScale = (word: string) => SCALES.has(word.toLowerCase().replace(/s$/, ''))

/** Words that may follow a number without changing it. */
export function isUnitWord(word: string): boolean {
  if (/^(?:x|y|z|pi|sin|cos|tan|ln|log|sqrt)$/i.test(word) || computes(word)) return false
  if (/^[\p{L}]$/u.test(word)) return knownUnit(word) !== null
  return (
    /^\(?[\p{L}][\p{L}'’./-]*\)?(?:\^?\{?-?[123]\}?)?,?$/u.test(word) ||
    word === '/' ||
    word === '°' ||
    (/^[\p{L}(]/u.test(word) && knownUnit(word) !== null)
  )
}

export function quantity(body: string, text: string, percent: boolean, unit: string | null): MathExpression | null {
  const node = parseExpression(body.trim())
  if (!node) return null
  return { kind: 'expression', node, text: spellText(text), percent, unit: unit ? namedUnit(unit) : null }
}

const namedUnit = (words: string): Unit | null => knownUnit(words) ?? leadingUnit(words) ?? unitOf(words)

/** `1.8 billion`. */
function scaled(head: string, scale: number, text: string, unit: string): MathExpression | null {
  const found = quantity(head, text, false, unit)
  if (!found || found.node.op === 'matrix') return null
  return { ...found, node: { op: 'mul', a: found.node, b: whole(scale) } }
}

function whole(value: number): Node {
  return { op: 'num', exact: rational(BigInt(value)), approx: value, decimals: 0 }
}

export function hasVariables(part: string): boolean {
  const node = parseExpression(part)
  return node === null || variables(node).length > 0
}

/** A number in words, with a fraction or a unit behind it: `two hundred and fifty`, `two and a half hours`. */
export function parseWritten(text: string): MathExpression | null {
  const negative = text.startsWith('-')
  const words = text.slice(negative ? 1 : 0).split(' ')
  // `an hour and a half`.
  const half = /^(an?|one) (\p{L}+) and a half$/iu.exec(text)
  if (half && knownUnit(half[2]!)) return parseWritten(`one and a half ${half[2]}`)
  const found = readWrittenNumber(words)
  if (!found || (found.bottom === 1 && /^\d/.test(words[0]!))) return null
  // `two and a half million`, `half a dozen`.
  const more =
    /^(?:(?:of )?an? )?(\w+)$/.exec(words.slice(found.used, found.used + 2).join(' '))?.[1] ?? words[found.used] ?? ''
  const scale = SCALES.get(more.toLowerCase()) ?? 1
  const rest = words.slice(scale === 1 ? found.used : words.indexOf(more, found.used) + 1)
  const tail = rest.join(' ').replace(/^of an? /, '')
  if (!rest.every((word) => isUnitWord(word) || /^percent$/i.test(word)) && knownUnit(tail) === null) return null
  const n = BigInt(found.top) * BigInt(scale) * (negative ? -1n : 1n)
  const node: Node = {
    op: 'num',
    exact: rational(n, BigInt(found.bottom)),
    approx: Number(n) / found.bottom,
    decimals: 0,
  }
  const percent = /^percent$/i.test(tail)
  const unit = percent || tail === '' ? null : namedUnit(tail)
  return { kind: 'expression', node, text: spellText(text), percent, unit }
}

const AMOUNT = /^[$€£¥₹]? ?\d{1,9}(?:\.\d{1,9}|\/\d{1,9}| \d{1,9}\/\d{1,9})?(?: ?[\p{L}¢]+\.?)?$/u

/** `5 dollars and 25 cents`, `2h 30min`, `5'6"`: one amount in several units of a kind, the greatest first. */
export function parseCompound(given: string): MathExpression | null {
  if (given.length > 80) return null
  const negative = given.startsWith('-')
  const text = withDigits(given.slice(negative ? 1 : 0)).replace(/^(\d+)' ?(\d+(?:\.\d+)?) ?(?:"|'')$/, '$1 ft $2 in')
  const parts = text.split(/(?<=[\p{L}.])(?:,? and|,)? ?(?=\d)|(?<=^[$€£¥₹] ?\d+) and (?=\d)/u)
  if (parts.length < 2 || parts.length > 4 || !parts.every((part) => AMOUNT.test(part))) return null
  const amounts = parts.map((part) => parseQuantity(part.replace(/(?<=\d)(?=\p{L})/u, ' ')))
  const [first] = amounts
  const units = first?.unit?.filter((unit) => unit.known) ?? []
  for (const unit of units) {
    const sum = sumIn(unit, amounts)
    if (sum) return { ...first!, unit: [unit], node: negative ? { op: 'neg', a: sum } : sum, text: spellText(given) }
  }
  return null
}

/** `two dollars and fifty cents` in digits; other text as it is. */
function withDigits(text: string): string {
  if (/\d/.test(text) || !text.includes(' ')) return text
  const words = text.split(' ')
  const spelled: string[] = []
  for (let at = 0; at < words.length;) {
    const found = readNumberWords(words.slice(at))
    spelled.push(found ? String(found.value) : words[at]!)
    at += found?.used ?? 1
  }
  return spelled.join(' ')
}

/** Amounts added up in the unit of the first, each in a smaller unit than the one before. */
function sumIn(unit: KnownUnit, amounts: readonly (MathExpression | null)[]): Node | null {
  let sum: Node | null = null
  let last: KnownUnit | null = null
  for (const amount of amounts) {
    if (amount?.node.op !== 'num' && amount?.node.op !== 'div') return null
    const own: KnownUnit | undefined =
      sum === null ? unit : amount.unit?.find((one): one is KnownUnit => one.known && one.dimension === unit.dimension)
    const share = own && conversion(own, unit)
    const smaller = own && last ? divide(own.factor, last.factor) : null
    if (!share || (smaller && smaller.n >= smaller.d)) return null
    const part = times(amount.node, share.factor)
    sum = sum === null ? part : { op: 'add', a: sum, b: part }
    last = own
  }
  return sum
}
