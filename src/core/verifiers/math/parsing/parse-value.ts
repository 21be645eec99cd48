import { cleanMath } from './clean-math.ts'
import { isDots, writtenOut } from './ellipsis.ts'
import { INTEGERS, integerSet } from './integer-set.ts'
import { markUnitVectors, vectorOf } from './unit-vectors.ts'
import { bothSigns, variables, type Node } from '../arithmetic/expression.ts'
import { isNumber, type MathExpression, type MathValue } from '../values/math-value.ts'
import { parseExpression } from './parse-expression.ts'
import { hasVariables, parseCompound, parseQuantity, parseWritten, quantity } from './parse-quantity.ts'
import { parseClock, parseDate } from './parse-time.ts'
import { remainder } from '../arithmetic/rational.ts'
import { saysNone } from '../values/says-none.ts'
import { spellText } from '../values/spell-text.ts'
import { parseWrittenArithmetic } from './written-arithmetic.ts'

/** Longer spans are not answers. */
const MAX_SPAN = 2000
const MAX_DEPTH = 8
const MAX_ITEMS = 100
/** Words, where they are an answer (`Even`, `no solution`), are few. */
const MAX_WORDS = 3
const OPENING = '([{'
const CLOSING = ')]}'

/** The value of a span that is nothing but an answer (units after a number are allowed); null when it is not one. */
export function parseValue(span: string): MathValue | null {
  if (span.length > MAX_SPAN) return null
  return parseClean(cleanMath(span), 0)
}

/** `$\text{a sentence}$`. */
const WORDS = /^\s*(?:\$\$?|\\\[)?\s*\\text(?:bf|it|rm)?\{([^{}$]{1,200})\}[\s.]*(?:\$\$?|\\\])?\s*$/

/**
 * Every way to read such a span, the likeliest first: `2,74` is a pair and a decimal, `(100,200)` a number and a pair.
 */
export function readings(given: string): MathValue[] {
  if (given.length > MAX_SPAN) return []
  // `{1, 3}` in LaTeX is no set: the braces group and are not seen.
  const span = given.replace(/^\$\{([^{}$\\]*,[^{}$\\]*)\}\$$/, '$$$1$$')
  const text = cleanMath(span)
  const vectors = markUnitVectors(span)
  const vector = vectors === null ? null : vectorOf(cleanMath(vectors))
  if (vector) return [vector]
  // `1/3 ≈ 0.33` is the first, or else the second.
  const rounded = /^([^≈]*?)\s*(?:\\approx(?![A-Za-z])|≈)[^$]*(\$?)$/.exec(span)
  const exact = rounded ? [cleanMath(rounded[1]! + rounded[2]!)] : []
  const others = [
    // `1 and 1/2` is a mixed number, or two.
    /^-?\d+ and \d+\/\d+(?: [\p{L}.]+)*$/u.test(text) ? text.replace(' and ', ' ') : null,
    // `2,74`; but `1,234` has a separator of thousands, and nothing else.
    /^[-+]?[$€£¥₹]? ?(?![1-9]\d{0,2},\d{3}(?!\d))\d+,\d+ ?[$€£¥₹%]?(?: [\p{L}.]+)*$/u.test(text)
      ? text.replace(',', '.')
      : null,
    /^[-+]?[$€£¥₹]? ?\d{1,3}(?:\.\d{3})+,\d{1,2}(?!\d)/.test(text) ? text.replace(/\./g, '').replace(',', '.') : null,
    /^[-+]?\d{1,3}(?: \d{3})+,\d{1,2}(?!\d)/.test(text) ? text.replace(/ /g, '').replace(',', '.') : null,
    // `"150"`.
    /^["“]([^"“”]+)["”]$/.exec(text)?.[1] ?? null,
    // `1.500.000`.
    /^[-+]?\d{1,3}(?:\.\d{3}){2,}$/.test(text) ? text.replace(/\./g, '') : null,
    // `107 (ft)`.
    /^[-+]?[\d.,/ ]*\d \(\p{L}[\p{L}. ]{1,30}\)$/u.test(text) ? text.replace(/[()]/g, '') : null,
    // `2600g` is no product.
    /^[-+]?[\d,.]*\d\p{L}$/u.test(text) ? text.replace(/(?=\p{L}$)/u, ' ') : null,
    // `480 a week`.
    /^[-+]?[$€£¥₹]? ?[\d,.]*\d%? (?:an?|per|each|every) \p{L}{2,}[\p{L} ]*$/u.test(text)
      ? text.replace(/(?<=[\d%]) \p{L}.*$/u, '')
      : null,
    // `C(10, 3)`.
    chosenOf(text),
    /^[([{].*\d,\d{3}(?!\d)/.test(text) ? text.replace(/(\d),(?=\d)/g, '$1, ') : null,
  ]
  const values = [...exact, text, ...others.filter((other) => other !== null)]
    .map((reading) => parseClean(reading, 0))
    .filter((value) => value !== null)
  const words = values.length === 0 ? WORDS.exec(span) : null
  return words ? [{ kind: 'text', text: spellText(cleanMath(words[1]!)) }] : values
}

/** `C(10, 3)` and `P(10, 3)` as what they count; null for others. */
function chosenOf(text: string): string | null {
  const [, kind, n, k] = /^([CP]) ?\( ?(\d{1,4}) ?, ?(\d{1,4}) ?\)$/.exec(text) ?? []
  if (kind === undefined) return null
  return kind === 'C' ? `\\binom{${n}}{${k}}` : `\\frac{${n}!}{(${n}-${k})!}`
}

function parseClean(cleaned: string, depth: number): MathValue | null {
  const text = cleaned.trim().replace(/[.,;: ]+$/, '')
  if (text === '…' && depth > 0) return { kind: 'text', text }
  if (text === '' || depth > MAX_DEPTH || !/[\p{L}\p{N}∅∞]/u.test(text)) return null
  if (/^dne$/i.test(text)) return { kind: 'text', text: 'does not exist' }
  return (
    parseNumber(text) ??
    parseClock(text) ??
    parseDate(text) ??
    parseBased(text) ??
    parseResidue(text) ??
    parseWritten(text) ??
    parseWrittenArithmetic(text, operandOf) ??
    parseChoice(text, depth) ??
    parseCompound(text) ??
    parseJoined(text, depth) ??
    parseRelation(text, depth) ??
    parseUnion(text, depth) ??
    parseRatio(text) ??
    parseBracketed(text, depth) ??
    parseQuantity(text) ??
    parseText(text)
  )
}

/** A number or expression without variables, as an operand in words. */
function operandOf(text: string): MathExpression | null {
  const value = parseNumber(text) ?? parseWritten(text) ?? parseQuantity(text)
  return value?.kind === 'expression' && isNumber(value) ? value : null
}

/** The common case, without more ado: digits and nothing else. */
function parseNumber(text: string): MathValue | null {
  return /^-?\d{1,3}(?:\d*|(?:,\d{3})+)(?:\.\d+)?$/.test(text) ? quantity(text, text, false, null) : null
}

/** `204_5`, `204_{5}`. */
function parseBased(text: string): MathValue | null {
  const found = /^([\dA-F]{1,200}) ?_ ?\{? ?(\d{1,2}) ?\}?$/.exec(text)
  return found && { kind: 'based', digits: found[1]!.replace(/^0+(?=.)/, ''), base: found[2]! }
}

const RESIDUE =
  /^(-?\d{1,40}) ?(?:\\pmod ?\{? ?(\d{1,40}) ?\}?|\( ?\\?mod ?\{? ?(\d{1,40}) ?\}? ?\)|\\?b?mod ?\{? ?(\d{1,40}) ?\}?)$/

/** `3 \pmod 7` and `3 (mod 7)` are a class; `17 \bmod 5` is also its remainder. */
function parseResidue(text: string): MathValue | null {
  const found = text.includes('mod') ? RESIDUE.exec(text) : null
  if (!found) return null
  const [, number, behindPmod, inBrackets, behindMod] = found
  const [value, modulus] = [BigInt(number!), BigInt((behindPmod ?? inBrackets ?? behindMod)!)]
  if (modulus === 0n) return null
  const least = remainder(value, modulus)
  return { kind: 'residue', class: least, modulus, shown: behindMod === undefined ? value : least }
}

const CHOICES = [
  // `(C)`, `(C) 12`, `C. 12`, `option C`, `option C: 12`.
  /^(?:(?:option|choice|answer) )?(?:\( ?([A-J]) ?\)|([A-J])(?:[.):](?= )|(?<=^\w{6} \w)$))(.*)$/i,
  // `C because …`: why is not read.
  /^(?:(?:option|choice) )?\(?([A-J])\)?(),? (?:because|since|as|due to|given that)\b()/,
  // `d) 12`.
  /^([a-j])\)()(| .+)$/,
]

/** An answer to choose from; a letter alone is left to be a name. What stands beside it may be any words. */
function parseChoice(text: string, depth: number): MathValue | null {
  const found = CHOICES.map((form) => form.exec(text)).find((match) => match !== null)
  if (!found) return null
  const [form, letter, beside] = [found[0], found[1] ?? found[2]!, found[3]!.trim()]
  const spelledOut = /^(?:option|choice)/i.test(form) || /^[a-j]\)/.test(form)
  if (!/[A-J]/.test(letter) && !spelledOut) return null
  // `(B) or (C)`, `(D) and (E)`.
  if (
    /(?:^|[\s,/&])(?:and |or |not )?\(?[A-J]\)?(?=$|[\s,/&.])(?!\.? ?\p{Ll})/u.test(beside) &&
    /^(?:and|or|not|[,/&])/i.test(beside)
  )
    return null
  const value = beside === '' ? null : parseClean(beside, depth + 1)
  if (value === null && beside !== '' && !/\p{L}{2}/u.test(beside)) return null
  return { kind: 'choice', letter: letter.toUpperCase(), value }
}

/** Two or more values with commas, semicolons or "and"/"or" between them, without brackets around. */
function parseJoined(text: string, depth: number): MathValue | null {
  // `p = 5, q = 2; p = 7, q = 2`: pairs.
  const groups = /;.*,|,.*;/.test(text) ? text.split(';') : []
  if (
    groups.length > 1 &&
    groups.every((group) => /=.*,.*=/.test(group) && !/[([{]/.test(group)) &&
    groups.length <= MAX_ITEMS
  ) {
    const items = groups.map((group) => parseClean(`(${group.trim()})`, depth + 1))
    return items.includes(null)
      ? null
      : { kind: 'list', open: '{', close: '}', joined: null, items: items as MathValue[] }
  }
  const { parts, joined } = splitTopLevel(text)
  if (parts.length < 2 || parts.length > MAX_ITEMS) return null
  const items = parts.map((part) => parseClean(part, depth + 1))
  if (items.some((item) => item === null || (item.kind === 'text' && parts.length > 8))) return null
  if (isRunningText(parts, items as MathValue[])) return null
  const written = items.some((item) => isDots(item!)) ? writtenOut(items as MathValue[]) : null
  if (written) return { kind: 'list', open: '', close: '', joined: null, items: written }
  return { kind: 'list', open: '', close: '', joined, items: items as MathValue[] }
}

/** `25 miles between his first and second stops`: a number, and words that go on about it. */
function isRunningText(parts: readonly string[], items: readonly MathValue[]): boolean {
  const isProse = (item: MathValue) => item.kind === 'text' && /\p{L}{3}/u.test(item.text) && !saysNone(item.text)
  const words = (part: string) => part.match(/\p{L}{2,}/gu)?.length ?? 0
  return items.some(isNumber) && (items.some(isProse) || parts.some((part) => words(part) > 5))
}

/** A chain of relations. An equation that names its last side is that name's; others stay relations. */
function parseRelation(text: string, depth: number): MathValue | null {
  const { parts, signs } = splitAt(text, /[=<>≤≥≠∈⇒]/)
  if (signs.length === 0 || signs.length > 12) return null
  const last = parts.at(-1)!
  // What follows an arrow is the conclusion.
  if (signs.includes('⇒')) return parseClean(text.slice(text.lastIndexOf('⇒') + 1), depth + 1)
  if (signs.includes('∈')) return signs.length === 1 ? named(parts[0]!, last, depth) : null
  if (signs.every((sign) => sign === '=')) {
    const values = parts.map((part) => part.trim()).filter((part) => part !== '')
    // There is one: no text is signs alone.
    const first = values[0]!
    if (values.length === 1) return parseClean(first, depth + 1)
    const name = values.find(isName)
    const unnamed = values.findLast((part) => !isName(part))
    if (name === first || unnamed === undefined) return named(first, last, depth)
    if (name !== undefined) return named(name, unnamed, depth)
    // `2 + 3 = 5`, `10h/16h = 5/8`: a calculation, and its outcome.
    const outcome = parseClean(last, depth + 1)
    const settles = outcome?.kind === 'expression' && variables(outcome.node).length === 0
    const isOutcome = settles && (signs.length > 1 || values.every((part) => !hasVariables(part)))
    if (isOutcome) return outcome
  }
  const sides = parts.map((part) => parseExpression(part.trim()))
  if (sides.some((side) => side === null || side.op === 'matrix')) return null
  return { kind: 'relation', sides: sides as Node[], signs, text: spellText(text) }
}

function named(name: string, rest: string, depth: number): MathValue | null {
  const value = parseClean(rest, depth + 1)
  const left = isName(name) ? parseExpression(name.trim()) : null
  return value && { kind: 'named', name: spellText(name), left: left?.op === 'matrix' ? null : left, value }
}

/** Whether one side of an equation only says what the other is: `x`, `x_1`, `f(x)`, `|AB|`, `\angle ABC`, words. */
function isName(side: string): boolean {
  const text = side.trim()
  if (text.length > 80 || text === '') return false
  return (
    /^\\?[A-Za-z]+'?(?: ?_ ?(?:\{[^{}]*\}|\w))?$/.test(text) && !/^(?:\\?pi|e|i)$/.test(text) ||
    /^\\?[A-Za-z]+'{0,2}(?: ?_ ?\w)? ?(?:\^ ?\{? ?-1 ?\}?)? ?\( ?[A-Za-z]{1,4} ?'?(?:, ?[A-Za-z] ?)*\)$/.test(text) ||
    /^[A-Za-z]'? ?\( ?-?[\d.]{1,9} ?\)$/.test(text) ||
    /^\( ?[A-Za-z](?:_\{?\w\}?)?(?: ?, ?[A-Za-z](?:_\{?\w\}?)?)+ ?\)$/.test(text) ||
    /^[|[(]? ?[A-Z]{1,5}(?: ?[:/] ?[A-Z]{1,5})? ?[|\])]?$/.test(text) ||
    /^[A-Z]{1,4}(?: ?[:+*-] ?[A-Z]{1,4})+$/.test(text) ||
    /^[A-Za-z](?: ?_ ?(?:\{\w{1,9}\}|\w))? ?: ?[A-Za-z](?: ?_ ?(?:\{\w{1,9}\}|\w))?$/.test(text) ||
    /^\\frac ?\{ ?[A-Z]{2} ?\} ?\{ ?[A-Z]{2} ?\}$/.test(text) ||
    /^(?:\\(?:angle|triangle|overline|overrightarrow|measuredangle|sum|vec|hat|bar|zzz)|m\\angle)[ {]*[A-Za-z]*[ }]*$/.test(text) ||
    /^[a-z] ?[a-z]$/.test(text) ||
    /^\\[A-Za-z]+$/.test(text) && parseExpression(text) === null ||
    /^(?!\d)(?=.*\p{L}{2})[\p{L}\d '’(),/_-]+$/u.test(text) && parseExpression(text) === null
  ) // prettier-ignore
}

function parseUnion(text: string, depth: number): MathValue | null {
  const { parts, signs } = splitAt(text, /[∪∩∖]/)
  if (signs.length === 0 || parts.length > MAX_ITEMS) return null
  const sets = parts.map((part) => parseClean(part, depth + 1))
  if (sets.some((set) => set === null)) return null
  const [first, ...rest] = sets as MathValue[]
  return { kind: 'union', first: first!, rest: rest.map((part, i) => ({ sign: signs[i]!, part })) }
}

function parseRatio(given: string): MathValue | null {
  const text = given.replace(/^(\d[\d.]{0,9}) to (\d[\d.]{0,9})$/, '$1:$2')
  const { parts, signs } = splitAt(text, /:/)
  if (signs.length === 0 || parts.length > 6) return null
  const nodes = parts.map((part) => parseExpression(part.trim()))
  if (nodes.some((node) => node === null || node.op === 'matrix')) return null
  return { kind: 'ratio', parts: nodes as Node[], text: spellText(text) }
}

/** A list in brackets; a set may have one member or a condition (`{x | x > 5}`). */
function parseBracketed(given: string, depth: number): MathValue | null {
  // An open end may be written as a bracket turned outward: `]0, 1]`.
  const text = given.replace(/^\](?=[^[\]]+[[\]]$)/, '(').replace(/(?<=^[[(][^[\]]+)\[$/, ')')
  const open = text[0]!
  if (!OPENING.includes(open) || closingBracket(text, 0) !== text.length - 1) return null
  const inside = text.slice(1, -1).trim()
  if (open === '{') {
    const whole = INTEGERS.exec(inside)
    if (whole) {
      const said = parseClean(inside.slice(whole[0].length), depth + 1)
      return said && integerSet(whole[2]!, whole[3], said)
    }
    const condition = /^([A-Za-z])(?: ?∈ ?ℝ)? ?[|:](?=.*[<>≤≥≠=∈])/.exec(inside)
    if (condition) return parseClean(inside.slice(condition[0].length), depth + 1)
  }
  // `(100,200)` is a pair; only where other commas have a space is one between digits for thousands.
  const pairs = open !== '{' && !/, |;/.test(inside)
  const { parts } = splitTopLevel(pairs ? inside.replace(/(\d),(?=\d)/g, '$1, ') : inside)
  if (parts.length > MAX_ITEMS) return null
  if (parts.length < 2) {
    // The set that holds the empty one is not empty.
    if (open === '{' && inside === '∅')
      return { kind: 'list', open, close: '}', joined: null, items: [{ kind: 'text', text: '∅' }] }
    const inner = open === '{' || /[=<>≤≥≠∈∪]/.test(inside) ? parseClean(inside, depth + 1) : null
    const several = inner?.kind === 'expression' && bothSigns(inner.node).length > 1
    return several ? { kind: 'list', open: '{', close: '}', joined: null, items: [inner] } : inner
  }
  const items = parts.map((part) => parseClean(part, depth + 1))
  if (items.some((item) => item === null)) return null
  const written = items.some((item) => isDots(item!)) ? writtenOut(items as MathValue[]) : null
  return { kind: 'list', open, close: text.at(-1)!, joined: null, items: written ?? (items as MathValue[]) }
}

/** Words that are an answer, or mathematics beyond the parser; running prose and anything with a word too many is null. */
function parseText(given: string): MathValue | null {
  if (saysNone(given)) return { kind: 'text', text: spellText(given) }
  const text = given.replace(/^on (?=(?:mon|tues|wednes|thurs|fri|satur|sun)day$)/i, '')
  const words = text.replace(/\\[A-Za-z]+/g, ' \\ ').match(/\p{L}{2,}/gu) ?? []
  if (
    words.length > MAX_WORDS ||
    (words.length > 0 && /\d/.test(text.replace(/[\\_^{}\d]*[_^]/g, '')) && !text.includes('\\'))
  )
    return null
  return { kind: 'text', text: spellText(text) }
}

/** Where the bracket that opens at `open` closes, whatever its kind: intervals mix them. */
function closingBracket(text: string, open: number): number {
  let depth = 0
  for (let i = open; i < text.length; i++) {
    const character = text[i]!
    if (OPENING.includes(character)) depth++
    else if (CLOSING.includes(character) && --depth === 0) return i
  }
  return -1
}

/** The parts between commas, semicolons, "and" and "or" outside brackets and matrices. */
function splitTopLevel(text: string): { parts: string[]; joined: 'and' | 'or' | null } {
  const parts: string[] = []
  let joined: 'and' | 'or' | null = null
  let from = 0
  eachTopLevel(text, (character, at) => {
    const thousands =
      character === ',' && /^\d{3}(?!\d)/.test(text.slice(at + 1, at + 5)) && /\d/.test(text[at - 1] ?? '')
    if ((character === ',' && !thousands) || character === ';') {
      parts.push(text.slice(from, at))
      from = at + 1
      return
    }
    const word = /[ )\]}\d]/.test(character) ? /^.( ?)(and|or)(?=[ (])/.exec(text.slice(at, at + 6)) : null
    if (!word || (character !== ' ' && word[1] === '' && !/[)\]}]/.test(character))) return
    joined = word[2] as 'and' | 'or'
    parts.push(text.slice(from, at + 1))
    from = at + word[0].length
  })
  parts.push(text.slice(from))
  return { parts: parts.map((part) => part.trim()).filter((part) => part !== ''), joined }
}

/** The parts between characters of a class, outside brackets and matrices. */
function splitAt(text: string, signs: RegExp): { parts: string[]; signs: string[] } {
  const parts: string[] = []
  const found: string[] = []
  let from = 0
  eachTopLevel(text, (character, at) => {
    if (!signs.test(character)) return
    parts.push(text.slice(from, at))
    found.push(character)
    from = at + 1
  })
  parts.push(text.slice(from))
  return { parts, signs: found }
}

function eachTopLevel(text: string, visit: (character: string, at: number) => void): void {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!
    if (character === '\\' && text.startsWith('\\begin', i)) depth++
    else if (character === '\\' && text.startsWith('\\end', i)) depth--
    if (CLOSING.includes(character)) depth--
    if (OPENING.includes(character)) depth++
    else if (depth === 0) visit(character, i)
  }
}
