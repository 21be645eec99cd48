import { divide, multiply, rational, type Rational } from '../arithmetic/rational.ts'
import { PREFIXES, UNIT_TABLE } from './unit-table.ts'

/** A product of powers of base dimensions, and how many of their base units it is. */
export interface KnownUnit {
  known: true
  /** `length time^-1`, sorted; empty where all cancels. */
  dimension: string
  factor: Rational
  /** The power of π that the factor holds beside: degrees are the base, so that a radian is 180/π. */
  pi: number
}

/** Words that name another thing, or a unit that is in no table: equal to the same words only. */
export interface UnknownUnit {
  known: false
  words: readonly string[]
}

/** Every unit that a name may stand for: a pound is a mass, and money. */
export type Unit = readonly (KnownUnit | UnknownUnit)[]

type Powers = ReadonlyMap<string, number>
interface Measure {
  powers: Powers
  factor: Rational
}

const [LETTERS, WORDS] = [new Map<string, Measure[]>(), new Map<string, Measure[]>()]
for (const { dimension, factor, letters = '', words = '', prefixed = false } of UNIT_TABLE) {
  const measure = { powers: powersOf(dimension), factor: exactly(factor) }
  const add = (names: Map<string, Measure[]>, name: string, exponent = 0) => {
    const shown = { ...measure, factor: multiply(measure.factor, tenTo(exponent))! }
    names.set(name, [...(names.get(name) ?? []), shown])
  }
  for (const name of letters.split(' ').filter(Boolean)) {
    add(LETTERS, name)
    for (const [letter, [, exponent]] of prefixed ? Object.entries(PREFIXES) : [])
      if (!isTaken(letter + name)) add(LETTERS, letter + name, exponent)
  }
  for (const name of words.split(' ').filter(Boolean)) {
    add(WORDS, name)
    for (const [, [word, exponent]] of prefixed ? Object.entries(PREFIXES) : []) add(WORDS, word + name, exponent)
  }
}

/** Letters that name a unit of their own, or that no prefix is meant by. */
function isTaken(name: string): boolean {
  const own = UNIT_TABLE.some(({ letters = '' }) => letters.split(' ').includes(name))
  return own || /^(?:as|am|cd|dd|pt|Pt|ft|mt|at|ct|da|ha|pH|dB|das|mm?Hg|GM|MM|cM|hM|kM|aT|PA|cT)$/.test(name)
}

function powersOf(dimension: string): Powers {
  return new Map(
    dimension.split(' ').map((part) => {
      const [base = '', power = '1'] = part.split('^')
      return [base, Number(power)]
    }),
  )
}

function exactly(given: string): Rational {
  const [top, bottom = '1'] = given.split('/').map((part) => {
    const [whole = '', behind = ''] = part.split('.')
    return { n: BigInt(whole + behind), d: 10n ** BigInt(behind.length) }
  }) as [Rational, Rational?]
  return bottom === '1' ? rational(top.n, top.d)! : divide(top, bottom)!
}

function tenTo(exponent: number): Rational {
  const power = 10n ** BigInt(Math.abs(exponent))
  return (exponent < 0 ? rational(1n, power) : rational(power))!
}

/** Letters that are written in any case. */
const ANY_CASE = /^(?:km|cm|mm|kg|kgs|mg|ml|lbs?|oz|ft|in|yds?|mi|hrs?|mins?|secs?|mph|kph|gal|usd|eur|gbp|jpy|inr)$/i

/** What a single name may stand for, plurals and dotted abbreviations included. */
function named(name: string): readonly Measure[] {
  const plain = name.replace(/µ/g, 'μ').replace(/Ω/g, 'Ω').replace(/\.$/, '')
  const lower = plain.toLowerCase()
  const letters = LETTERS.get(plain) ?? (ANY_CASE.test(plain) ? LETTERS.get(lower) : undefined) ?? []
  const words = WORDS.get(lower) ?? WORDS.get(lower.replace(/s$/, '')) ?? []
  return [...letters, ...words]
}

/**
 * The unit that words behind a number (or the sign before it) name. What is not in the table is kept as the words it
 * is, so that it equals nothing else; null where there are no words.
 */
export function unitOf(words: string): Unit | null {
  const text = words.trim().replace(/,$/, '')
  if (text === '') return null
  return knownUnit(text) ?? [{ known: false, words: thing(text) }]
}

/** The known unit that words spell from first to last; null for others. */
export function knownUnit(words: string): KnownUnit[] | null {
  if (words.length > MAX_CHARS) return null
  const tokens = tokensOf(words)
  const measures = tokens && new UnitParser(tokens).parse()
  return measures && measures.length > 0 ? measures.map(unit) : null
}

function unit({ powers, factor }: Measure): KnownUnit {
  const [radians, celsius] = [powers.get('radian') ?? 0, powers.get('celsius') ?? 0]
  const inProduct = celsius !== 0 && (celsius !== 1 || [...powers.values()].filter((power) => power !== 0).length > 1)
  const bases = new Map<string, number>()
  for (const [base, power] of powers) {
    // Beside other units a degree Celsius is a difference, and a kelvin.
    const name = base === 'radian' ? 'angle' : base === 'celsius' && inProduct ? 'temperature' : base
    bases.set(name, (bases.get(name) ?? 0) + power)
  }
  const dimension = [...bases]
    .filter(([, power]) => power !== 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([base, power]) => (power === 1 ? base : `${base}^${power}`))
    .join(' ')
  const degrees = { n: 180n ** BigInt(Math.abs(radians)), d: 1n }
  const scaled = radians < 0 ? divide(factor, degrees) : multiply(factor, degrees)
  return { known: true, dimension, factor: scaled ?? factor, pi: -radians }
}

const MAX_CHARS = 80
const MAX_TOKENS = 24
/** Names of two words, and those that say nothing of a known unit. */
const TWO_WORDS =
  /\b(nautical|light|fluid|fl|metric|short|long|electron|astronomical|watt|pounds?|degrees?)[ .-]+(miles?|years?|ounces?|oz|tons?|volts?|units?|hours?|force|sterling|celsius|centigrade|fahrenheit)\b/gi
const ADJECTIVES = /^(?:(?:more|additional|total|whole|full|extra|american|complete|consecutive|US|U\.S\.) )+(?=\p{L})/u
/** What may follow a known unit without changing it. */
const BEHIND =
  / (?:of|in|on|for|at|from|by|during|with|left|remaining|old|long|tall|wide|high|deep|away|apart|more|less|total|altogether|later|ago|early|late|behind|ahead|faster|slower|heavier|lighter|longer|shorter|taller|older|younger|only|each day)\b.*$/i

/** Names, exponents and signs; null where there is anything else. */
function tokensOf(given: string): string[] | null {
  const text = given
    .replace(TWO_WORDS, (_, first: string, second: string) => `${first.replace(/s$/, '')}-${second}`.toLowerCase())
    .replace(ADJECTIVES, '')
    .replace(/^units? of (?=\p{L})/iu, '')
    .replace(/\\frac ?\{([^{}]{1,30})\} ?\{([^{}]{1,30})\}/g, '($1)/($2)')
    .replace(/\^ ?\{ ?(-?\d) ?\}/g, '^$1')
    .replace(/\^ ?\( ?(-?\d) ?\)/g, '^$1')
    .replace(/[{}]/g, '')
    .replace(/\\(?:Omega|ohm)(?![A-Za-z])/g, 'Ω')
    .replace(/\\mu ?(?=[A-Za-z])/g, 'μ')
  const tokens = text.match(/[\p{L}°$€£¢¥₹Ω]+(?:-[\p{L}]+)*\.?|\^-?\d|[*/()·]| +/gu) ?? []
  return tokens.join('') === text && tokens.length <= MAX_TOKENS ? tokens : null
}

const PER = /^(?:\/|per|an?|each|every)$/
const POWERS: Record<string, number> = { square: 2, sq: 2, 'sq.': 2, squared: 2, cubic: 3, cu: 3, 'cu.': 3, cubed: 3 }

/** `square metres`, `kg m^2/s^2`, `J/(kg K)`, `metres per second squared`. A quotient of a product without brackets is refused. */
class UnitParser {
  private at = 0
  private readonly tokens: string[]

  constructor(tokens: string[]) {
    this.tokens = tokens.filter((token) => token.trim() !== '')
  }

  /** Every reading; empty where it is no unit. */
  parse(): Measure[] {
    const found = this.quotient()
    return this.at === this.tokens.length ? found : []
  }

  private quotient(): Measure[] {
    let left = this.product()
    while (PER.test(this.tokens[this.at] ?? '')) {
      this.at++
      const from = this.at
      const right = this.product()
      // `J/kg K` may be meant in two ways.
      if (this.at - from > 1 && this.tokens[from] !== '(' && this.factors > 1) return []
      left = pairs(left, right, -1)
    }
    return left
  }

  private factors = 0

  private product(): Measure[] {
    let left = this.power()
    this.factors = 1
    for (;;) {
      const next = this.tokens[this.at]
      if (next === '*' || next === '·') this.at++
      else if (next === undefined || PER.test(next) || next === ')') return left
      const before = this.factors
      left = pairs(left, this.power(), 1)
      this.factors = before + 1
    }
  }

  private power(): Measure[] {
    const token = this.tokens[this.at++]
    if (token === undefined) return []
    const before = POWERS[token.toLowerCase()]
    if (before !== undefined) return raised(this.power(), before)
    let inside: readonly Measure[]
    if (token === '(') {
      inside = this.quotient()
      if (this.tokens[this.at++] !== ')') return []
    } else inside = named(token)
    const exponent = this.tokens[this.at] ?? ''
    const power = exponent.startsWith('^')
      ? Number(exponent.slice(1))
      : /^(?:squared|cubed)$/i.test(exponent)
        ? POWERS[exponent.toLowerCase()]!
        : null
    if (power === null) return [...inside]
    this.at++
    return raised(inside, power)
  }
}

function pairs(left: readonly Measure[], right: readonly Measure[], sign: 1 | -1): Measure[] {
  return left.slice(0, 4).flatMap((a) =>
    right.slice(0, 4).flatMap((b) => {
      const factor = sign === 1 ? multiply(a.factor, b.factor) : divide(a.factor, b.factor)
      if (!factor) return []
      const powers = new Map(a.powers)
      for (const [base, power] of b.powers) powers.set(base, (powers.get(base) ?? 0) + sign * power)
      return [{ powers, factor }]
    }),
  )
}

function raised(units: readonly Measure[], power: number): Measure[] {
  let product: Measure[] = [{ powers: new Map(), factor: { n: 1n, d: 1n } }]
  return units.flatMap((unit) => {
    product = [{ powers: new Map(), factor: { n: 1n, d: 1n } }]
    for (let i = 0; i < Math.abs(power); i++) product = pairs(product, [unit], power < 0 ? -1 : 1)
    return product
  })
}

/** The longest beginning of running text that is a known unit, as far as nothing behind it changes it. */
export function leadingUnit(words: string): KnownUnit[] | null {
  const without = words.replace(BEHIND, '')
  return without === words || without === '' ? null : knownUnit(without)
}

/** A thing's words in the singular, without those that say nothing. */
function thing(words: string): string[] {
  return words
    .toLowerCase()
    .split(/[^\p{L}\p{N}$/^-]+/u)
    .filter((word) => word !== '' && !/^(?:the|of|an?|in|left|more|total|each)$/.test(word))
    .map((word) => (/ies$/.test(word) ? word.replace(/ies$/, 'y') : word.replace(/(?<=[sxh])es$|(?<!s)s$/, '')))
}

/** What a number of the first unit is multiplied by for one of the second, a fraction and a power of π; null where they measure different things. */
export function conversion(from: KnownUnit, to: KnownUnit): { factor: Rational; pi: number } | null {
  const factor = from.dimension === to.dimension ? divide(from.factor, to.factor) : null
  return factor && { factor, pi: from.pi - to.pi }
}

/** Whether two names of things are of one: the same words, or one the other's with more said of it. */
export function isSameThing(a: UnknownUnit, b: UnknownUnit): boolean {
  const within = (some: readonly string[], all: readonly string[]) =>
    some.length > 0 && some.every((word) => all.includes(word))
  return within(a.words, b.words) || within(b.words, a.words)
}
