import type { FunctionName, Node } from '../arithmetic/expression.ts'
import type { MathExpression } from '../values/math-value.ts'
import { rational } from '../arithmetic/rational.ts'
import { readWrittenNumber } from './number-words.ts'
import { spellText } from '../values/spell-text.ts'

/** The value of an operand; null where it is no plain number or expression. */
type Operand = (text: string) => MathExpression | null

const MAX_DEPTH = 4
const MAX_CHARS = 120
/** A word that every phrase of these kinds has: others are passed by at once. */
const ANY =
  /half|third|quarter|fourth|fifth|tenth|hundredth|twice|double|triple|thrice|quadruple|halved|squared|cubed|root|factorial|plus|minus|times|divided|multiplied|over|power|raised|than|sum|difference|product|quotient|reciprocal|inverse|opposite|negative|square|cube|logarithm|below| of /i

const number = (n: number, d = 1): Node => ({
  op: 'num',
  exact: rational(BigInt(n), BigInt(d)),
  approx: n / d,
  decimals: 0,
})
const call = (fn: FunctionName, ...args: Node[]): Node => ({ op: 'call', fn, args })
const join = (op: 'add' | 'sub' | 'mul' | 'div' | 'pow', a: Node, b: Node): Node => ({ op, a, b })

const TIMES_WORDS: Record<string, number> = { twice: 2, double: 2, thrice: 3, triple: 3, quadruple: 4 }
const ORDINALS: Record<string, number> = { square: 2, cube: 3, second: 2, third: 3, fourth: 4, fifth: 5, sixth: 6 }
const PARTS: Record<string, number> = {
  half: 2, halve: 2, third: 3, quarter: 4, fourth: 4, fifth: 5, sixth: 6, seventh: 7, eighth: 8, ninth: 9, tenth: 10, twentieth: 20, hundredth: 100, thousandth: 1000,
} // prettier-ignore

/** Operations of one operand, by the phrase around it. */
const UNARY: [RegExp, (a: Node, found: RegExpExecArray) => Node | null][] = [
  [/^(?<a>.+) (?:doubled|times two)$/i, (a) => join('mul', number(2), a)],
  [/^(?<a>.+) tripled$/i, (a) => join('mul', number(3), a)],
  [/^(?<a>.+) halved$/i, (a) => join('div', a, number(2))],
  [/^(?<a>.+) squared$/i, (a) => join('pow', a, number(2))],
  [/^(?<a>.+) cubed$/i, (a) => join('pow', a, number(3))],
  [/^(?<a>.+) factorial$/i, (a) => call('factorial', a)],
  [/^(?<name>twice|double|thrice|triple|quadruple) (?<a>.+)$/i, (a, { groups }) =>
    join('mul', number(TIMES_WORDS[groups!.name!.toLowerCase()]!), a)],
  [/^(?<name>square|cube|third|fourth|fifth|sixth) root of (?<a>.+)$/i, (a, { groups }) =>
    call('root', a, number(ORDINALS[groups!.name!.toLowerCase()]!))],
  [/^(?<name>square|cube) of (?<a>.+)$/i, (a, { groups }) =>
    join('pow', a, number(ORDINALS[groups!.name!.toLowerCase()]!))],
  [/^(?<a>.+) to the (?<name>second|third|fourth|fifth|sixth)(?: power)?$/i, (a, { groups }) =>
    join('pow', a, number(ORDINALS[groups!.name!.toLowerCase()]!))],
  [/^(?:reciprocal|multiplicative inverse) of (?<a>.+)$/i, (a) => join('div', number(1), a)],
  [/^(?:opposite|negative|additive inverse) of (?<a>.+)$/i, (a) => ({ op: 'neg', a })],
  [/^absolute value of (?<a>.+)$/i, (a) => call('abs', a)],
  [/^factorial of (?<a>.+)$/i, (a) => call('factorial', a)],
  [/^natural log(?:arithm)? of (?<a>.+)$/i, (a) => call('ln', a)],
  [/^(?<a>.+?)(?: degrees)? below zero$/i, (a) => ({ op: 'neg', a })],
  [/^(?<a>\d{1,9}) (?<name>hal(?:f|ves)|thirds?|quarters?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?|twentieths?|hundredths?|thousandths?)$/i, (a, { groups }) => {
    const part = PARTS[groups!.name!.toLowerCase().replace(/^halves$/, 'half').replace(/s$/, '')]
    return part === undefined ? null : join('div', a, number(part))
  }],
] // prettier-ignore

/** Operations of two operands; the later ones bind more loosely. Only one sign in words is read, so that none binds. */
const BINARY: [RegExp, (a: Node, b: Node) => Node][] = [
  [/^(?:sum|total) of (?<a>.+) and (?<b>.+)$/i, (a, b) => join('add', a, b)],
  [/^difference (?:of|between) (?<a>.+) and (?<b>.+)$/i, (a, b) => call('abs', join('sub', a, b))],
  [/^product of (?<a>.+) and (?<b>.+)$/i, (a, b) => join('mul', a, b)],
  [/^quotient of (?<a>.+) and (?<b>.+)$/i, (a, b) => join('div', a, b)],
  [/^(?<a>.+) plus (?<b>.+)$/i, (a, b) => join('add', a, b)],
  [/^(?<a>.+) minus (?<b>.+)$/i, (a, b) => join('sub', a, b)],
  [/^(?<a>.+) (?:times|multiplied by) (?<b>.+)$/i, (a, b) => join('mul', a, b)],
  [/^(?<a>.+) (?:over|divided by) (?<b>.+)$/i, (a, b) => join('div', a, b)],
  [/^(?<a>.+) (?:less|fewer) than (?<b>.+)$/i, (a, b) => join('sub', b, a)],
  [/^(?<a>.+) (?:more|greater) than (?<b>.+)$/i, (a, b) => join('add', a, b)],
  [
    /^(?<a>.+?)(?: raised to| to the power(?: of)?| raised to the power(?: of)?) (?<b>.+)$/i,
    (a, b) => join('pow', a, b),
  ],
]

const SIGNS = /\b(?:plus|minus|times|multiplied|over|divided|than|power|and)\b/gi

/**
 * What a phrase of words and numbers computes: `half of 10`, `the square root of 2`, `7 over 8`, `2 less than 5`. Null
 * where it is none, and where it could be meant in two ways.
 */
export function parseWrittenArithmetic(given: string, operand: Operand): MathExpression | null {
  const node = computed(given, operand, 0)
  return node && { kind: 'expression', node, text: spellText(given), percent: false, unit: null }
}

function computed(given: string, operand: Operand, depth: number): Node | null {
  const text = given.trim().replace(/^(?:the|exactly|equal to) /i, '')
  if (depth > MAX_DEPTH || text.length > MAX_CHARS || !ANY.test(text)) return null
  const inner = (part: string): Node | null => {
    const plain = operand(part.trim().replace(/^the /i, ''))
    if (!plain) return computed(part, operand, depth + 1)
    if (plain.unit) return null
    return plain.percent ? join('div', plain.node, number(100)) : plain.node
  }
  for (const [form, make] of UNARY) {
    const found = form.exec(text)
    const a = found && inner(found.groups!.a!)
    if (a && a.op !== 'matrix') return make(a, found)
  }
  const share = /^(.{1,30}?) of (.+)$/i.exec(text)
  const part = share && fraction(share[1]!, operand)
  const whole = part && inner(share[2]!)
  if (whole && whole.op !== 'matrix') return join('mul', part, whole)
  if ((text.match(SIGNS) ?? []).length > 1) return null
  for (const [form, make] of BINARY) {
    const found = form.exec(text)
    const a = found && inner(found.groups!.a!)
    const b = a && inner(found.groups!.b!)
    if (b && a.op !== 'matrix' && b.op !== 'matrix') return make(a, b)
  }
  return null
}

/** `half`, `two thirds`, `3/4`, `10%`. */
function fraction(text: string, operand: Operand): Node | null {
  const words = text.split(' ')
  const written = readWrittenNumber(words)
  if (written && written.used === words.length && written.bottom > 1) return number(written.top, written.bottom)
  const value = /[%/]|percent/.test(text) ? operand(text) : null
  if (!value || value.unit) return null
  return value.percent ? join('div', value.node, number(100)) : value.node
}

/** Stands before a number that is an operand, and so not the answer itself. */
const OPERAND_BEHIND =
  /\b(?:half|third|quarter|fifth|tenth|fraction|percent|root|reciprocal|inverse|opposite|square|cube|sum|difference|product|quotient|log|logarithm|factorial)s? (?:of|between) (?:the )?$|%(?: of)(?: the)? $|\b(?:double|twice|thrice|triple)(?: that of)? $|\b(?:negative|log) $/i
/** Stands behind one. */
const OPERAND_BEFORE =
  /^ ?(?:squared|cubed|factorial|doubled|tripled|halved)\b|^ (?:halves|thirds|quarters|fourths|fifths|sixths|sevenths|eighths|ninths|tenths|hundredths|thousandths)\b|^ (?:gross\b(?! \p{L})|hundreds?\b)|^ (?:degrees )?below zero|^ ?(?:%|percent) of \$?\d|^ (?:times|plus|minus|over|divided by|multiplied by|raised to(?: the)?|(?:less|more|fewer|greater) than|out of|to the power(?: of)?|to the|choose|mod) (?:\$?-?[\d\\]|(?:one|two|three|four|five|six|seven|eight|nine|ten|zero|third|fourth|fifth)\b)/iu

/** Whether a number in running text is only a part of a computation in words. */
export function isOperand(text: string, start: number, end: number): boolean {
  return (
    OPERAND_BEHIND.test(text.slice(Math.max(0, start - 40), start)) || OPERAND_BEFORE.test(text.slice(end, end + 40))
  )
}
