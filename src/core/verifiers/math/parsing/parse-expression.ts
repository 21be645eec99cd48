import { ROW_END } from './clean-math.ts'
import { combine, isLarger, some, substitute, type FunctionName, type Node } from '../arithmetic/expression.ts'
import { geometricSum } from './geometric-sum.ts'
import { rational } from '../arithmetic/rational.ts'

/** Limits on one expression: what lies beyond is no answer, and is never worked on. */
const MAX_CHARS = 2000
const MAX_DEPTH = 40
const MAX_NODES = 600
const MAX_MATRIX = 10
/** The most terms of a sum or product with bounds, and the most nodes that they make together. */
const MAX_TERMS = 1000
const MAX_EXPANDED = 2000

/**
 * The expression that a cleaned span (see `cleanMath`) spells, in LaTeX or plain writing; null when it is none, and
 * beyond the limits. Letters side by side are a product; words are no mathematics.
 */
export function parseExpression(text: string): Node | null {
  return text.length <= MAX_CHARS ? new Parser(text, { nodes: 0 }, 0).parse() : null
}

/** Functions as commands and as plain words, longest first where one begins another. */
const FUNCTIONS: Record<string, FunctionName> = {
  arcsin: 'arcsin', arccos: 'arccos', arctan: 'arctan', asin: 'arcsin', acos: 'arccos', atan: 'arctan', sinh: 'sinh',
  cosh: 'cosh', tanh: 'tanh', sin: 'sin', cos: 'cos', tan: 'tan', cot: 'cot', sec: 'sec', csc: 'csc', ln: 'ln',
  log: 'log', lg: 'log', exp: 'exp', abs: 'abs', sqrt: 'sqrt', cbrt: 'root', floor: 'floor', ceil: 'ceil',
} // prettier-ignore
const INVERSE: Partial<Record<FunctionName, FunctionName>> = { sin: 'arcsin', cos: 'arccos', tan: 'arctan' }
const TRIGONOMETRIC = new Set<FunctionName>(['sin', 'cos', 'tan', 'cot', 'sec', 'csc'])

const GREEK =
  /^\\(?:alpha|beta|gamma|delta|epsilon|varepsilon|zeta|eta|theta|vartheta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|phi|varphi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Sigma|Phi|Psi|Omega|ell|hbar)$/

/** Short words that are not products of variables. */
const WORDS = new Set(
  (
    'so is it an at be we he to of in on or if as by do go no me my us am the and for are was has had not but you ' +
    'she her his its per all one two six ten out who how why can may see day let now yes new old off big did get got ' +
    'too use say via our any few cup box bag way set sum age'
  ).split(' '),
)

const MINUS_ONE: Node = { op: 'num', exact: { n: -1n, d: 1n }, approx: -1, decimals: 0 }
const ZERO: Node = { op: 'num', exact: { n: 0n, d: 1n }, approx: 0, decimals: 0 }

class Parser {
  private at = 0
  private failed = false
  private bars = 0
  private inTrig = false
  private readonly text: string
  private readonly budget: { nodes: number }
  private depth: number

  constructor(text: string, budget: { nodes: number }, depth: number) {
    this.text = text
    this.budget = budget
    this.depth = depth
  }

  parse(): Node | null {
    const node = this.sum()
    this.space()
    return this.failed || this.at < this.text.length ? null : node
  }

  /** Gives up: every loop ends, since nothing is left to read. */
  private fail(): Node {
    this.failed = true
    this.at = this.text.length
    return ZERO
  }

  private space(): void {
    while (this.text[this.at] === ' ') this.at++
  }

  private peek(): string {
    this.space()
    return this.text[this.at] ?? ''
  }

  private take(character: string): boolean {
    if (this.peek() !== character) return false
    this.at++
    return true
  }

  private match(pattern: RegExp): string | null {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)
    if (!found) return null
    this.at += found[0].length
    return found[0]
  }

  private join(op: 'add' | 'sub' | 'mul' | 'div' | 'pow', a: Node, b: Node): Node {
    if (++this.budget.nodes > MAX_NODES) return this.fail()
    const node = combine(op, a, b)
    // A product of matrices repeats its factors' entries, so that its size doubles with each.
    if (node?.op === 'matrix' && isLarger(node, MAX_NODES)) return this.fail()
    return node ?? this.fail()
  }

  private call(fn: FunctionName, ...args: Node[]): Node {
    if (++this.budget.nodes > MAX_NODES || args.some(({ op }) => op === 'matrix')) return this.fail()
    return { op: 'call', fn, args }
  }

  private sum(): Node {
    if (++this.depth > MAX_DEPTH) return this.fail()
    let left = this.product()
    for (;;) {
      const sign = this.peek()
      if (sign === '+') (this.at++, (left = this.join('add', left, this.product())))
      else if (sign === '-') (this.at++, (left = this.join('sub', left, this.product())))
      else if (sign === '±' || sign === '∓')
        left = this.join(
          'add',
          left,
          this.signed(() => this.product()),
        )
      else break
      // So can `2 + 17 mod 5`.
      if ('b' in left && [left.a, left.b].some((part) => part.op === 'call' && part.fn === 'mod')) return this.fail()
    }
    this.depth--
    return left
  }

  private product(): Node {
    let left = this.unary()
    for (;;) {
      const next = this.peek()
      // Nothing may follow: `17 mod 5 * 2` can be meant in two ways.
      if (this.match(/\\?b?mod(?![A-Za-z])/y) !== null) return this.call('mod', left, this.unary())
      if (next === '*') (this.at++, (left = this.join('mul', left, this.unary())))
      else if (next === '/') (this.at++, (left = this.join('div', left, this.unary())))
      else if (this.startsFactor(next)) left = this.join('mul', left, this.power())
      else return left
    }
  }

  /** Whether what comes is a factor that needs no sign of multiplication before it. */
  private startsFactor(next: string): boolean {
    if (next === '|') return this.bars === 0
    return (
      next !== '' &&
      (/[A-Za-z\p{Script=Greek}([{∞]/u.test(next) ||
        (next === '\\' && !/^\\(?:end|rfl|rce)/.test(this.text.slice(this.at, this.at + 4))) ||
        (/[\d.]/.test(next) && /[)}\]!] ?$/.test(this.text.slice(Math.max(0, this.at - 2), this.at))))
    )
  }

  private signed(operand: () => Node): Node {
    const sign = this.text[this.at++] === '±' ? 1 : -1
    this.budget.nodes++
    return { op: 'pm', sign, a: operand() }
  }

  private unary(): Node {
    const next = this.peek()
    if (next === '±' || next === '∓') return this.signed(() => this.unary())
    if (next !== '-' && next !== '+') return this.power()
    this.at++
    if (++this.depth > MAX_DEPTH) return this.fail()
    const inner = this.unary()
    this.depth--
    if (next === '+') return inner
    if (inner.op === 'matrix') return this.join('mul', MINUS_ONE, inner)
    if (inner.op === 'num' && !this.failed)
      return { ...inner, exact: inner.exact && { n: -inner.exact.n, d: inner.exact.d }, approx: -inner.approx }
    return { op: 'neg', a: inner }
  }

  private power(): Node {
    const base = this.postfix(this.primary())
    if (!this.take('^')) return base
    return this.postfix(this.join('pow', base, this.exponent()))
  }

  /** What is raised to: a group, a signed number, or a single power (`2^x^2` groups to the right). */
  private exponent(): Node {
    if (++this.depth > MAX_DEPTH) return this.fail()
    const node = this.peek() === '-' || this.peek() === '+' ? this.unary() : this.power()
    this.depth--
    return node
  }

  private postfix(node: Node): Node {
    let result = node
    for (;;) {
      const next = this.text[this.at]
      if (next === '!' && this.text[this.at + 1] !== '!') (this.at++, (result = this.call('factorial', result)))
      else if (next === '°') (this.at++, (result = this.inTrig ? { op: 'deg', a: result } : result))
      else if (next === "'" && result.op === 'sym') (this.at++, (result = { op: 'sym', name: `${result.name}'` }))
      else return result
    }
  }

  private primary(): Node {
    const next = this.peek()
    if (++this.budget.nodes > MAX_NODES) return this.fail()
    if (/[\d.]/.test(next)) return this.number()
    if (next === '(') return this.group(')')
    if (next === '[') return this.group(']')
    if (next === '{') return this.group('}')
    if (next === '|') return this.absolute()
    if (next === '\\') return this.command()
    if (next === '∞') return (this.at++, { op: 'const', name: 'inf' })
    return /[A-Za-z\p{Script=Greek}]/u.test(next) ? this.letters() : this.fail()
  }

  private group(close: string): Node {
    this.at++
    const bars = this.bars
    this.bars = 0
    const node = this.sum()
    this.bars = bars
    return this.take(close) ? node : this.fail()
  }

  private absolute(): Node {
    this.at++
    this.bars++
    const node = this.sum()
    this.bars--
    return this.take('|') ? this.call('abs', node) : this.fail()
  }

  /** A number, with a mixed number's fraction. */
  private number(): Node {
    const node = this.plainNumber()
    const whole = node.op === 'num' && node.decimals === 0 && node.exact?.d === 1n
    if (!whole) return node
    const fraction = this.match(
      / ?\\frac ?(?:\{ ?\d{1,9} ?\}|\d) ?(?:\{ ?\d{1,9} ?\}|\d)(?! ?[\^!])| \d{1,9}\/\d{1,9}(?![\d./^])/y,
    )
    if (fraction === null) return node
    const [top, bottom] = fraction.match(/[{/]/.test(fraction) ? /\d+/g : /\d/g)!
    const part = rational(BigInt(top), BigInt(bottom!))
    if (!part || part.n >= part.d) {
      this.at -= fraction.length
      return node
    }
    const n = node.exact!.n * part.d + part.n
    return { op: 'num', exact: { n, d: part.d }, approx: Number(n) / Number(part.d), decimals: 0 }
  }

  private plainNumber(): Node {
    const whole = this.match(/\d{1,3}(?:,\d{3})+(?![\d,])|\d{1,3}(?: \d{3})+(?![\d ]*\d)|\d+|(?=\.\d)/y)
    if (whole === null) return this.fail()
    const decimals = this.match(/\.\d+|\.(?!\d)/y) ?? ''
    const repeated = this.match(/ ?\\(?:overline|bar|dot) ?(?:\{\d{1,40}\}|\d)/y)?.match(/\d+/)?.[0] ?? ''
    const exponent = this.match(/[eE][-+]?\d{1,3}(?![\w.])/y) ?? ''
    const digits = whole.replace(/[, ]/g, '')
    const behind = decimals.slice(1)
    const approx = Number(
      `${digits}.${behind}${repeated}${repeated && repeated.repeat(Math.ceil(18 / repeated.length))}${exponent}`,
    )
    const tens = 10n ** BigInt(behind.length)
    let n = BigInt(digits + behind || '0')
    let d = tens
    if (repeated) {
      const nines = 10n ** BigInt(repeated.length) - 1n
      n = n * nines + BigInt(repeated)
      d = tens * nines
    }
    const shift = Number(exponent.slice(1) || '0')
    const exact = shift < 0 ? rational(n, d * 10n ** BigInt(-shift)) : rational(n * 10n ** BigInt(shift), d)
    return { op: 'num', exact, approx, decimals: repeated || exponent ? 0 : behind.length }
  }

  /** A run of letters: a function, a constant, or a product of variables. */
  private letters(): Node {
    const run = this.match(/[A-Za-z]+|\p{Script=Greek}/uy)!
    const name = Object.keys(FUNCTIONS).find((fn) => run.startsWith(fn))
    if (name !== undefined && (run === name || /^[xyzABC]$/.test(run.slice(name.length)))) {
      this.at -= run.length - name.length
      return this.apply(FUNCTIONS[name]!, name)
    }
    if (run === 'gcd' || run === 'lcm') return this.divisors(run)
    if (run === 'pi' || run === 'π') return { op: 'const', name: 'pi' }
    if (run.length > 3 ? !/^[A-Z]{4}$/.test(run) : WORDS.has(run.toLowerCase()) && run !== run.toUpperCase())
      return this.fail()
    // Only the first letter is taken, so that a subscript, a prime or a power belongs to the last one alone.
    this.at -= run.length - 1
    if (run.length === 1 && /[fghFGHPQ]/.test(run)) {
      const argument = this.match(/ ?\( ?[A-Za-z] ?\)/y)
      if (argument !== null) return { op: 'sym', name: run + argument.replace(/ /g, '') }
    }
    return this.symbol(run.charAt(0))
  }

  private symbol(letter: string): Node {
    const subscript = this.match(/ ?_ ?(?:\{ ?[\w,+-]{1,12} ?\}|\w)/y)?.replace(/[ {}]/g, '') ?? ''
    if (subscript === '' && letter === 'e') return { op: 'const', name: 'e' }
    if (subscript === '' && letter === 'i') return { op: 'const', name: 'i' }
    return { op: 'sym', name: letter + subscript }
  }

  private command(): Node {
    const name = this.match(/\\[A-Za-z]+/y)
    if (name === null) return this.fail()
    if (name === '\\frac') return this.fraction()
    if (name === '\\sqrt') return this.radical()
    if (name === '\\binom') return this.call('binom', this.argument(), this.argument())
    if (name === '\\begin') return this.matrix()
    if (name === '\\sum' || name === '\\prod') return this.series(name === '\\sum' ? 'add' : 'mul')
    if (name === '\\lfloor') return this.rounded('\\rfloor', 'floor')
    if (name === '\\lceil') return this.rounded('\\rceil', 'ceil')
    if (GREEK.test(name)) return this.symbol(name)
    if (name === '\\gcd' || name === '\\lcm') return this.divisors(name.slice(1) as 'gcd' | 'lcm')
    const fn = FUNCTIONS[name.slice(1)]
    return fn ? this.apply(fn, name.slice(1)) : this.fail()
  }

  private fraction(): Node {
    return this.join('div', this.argument(), this.argument())
  }

  /** A command's argument: a group, or a single digit, letter or command. */
  private argument(): Node {
    if (++this.depth > MAX_DEPTH) return this.fail()
    const next = this.peek()
    const digit = this.match(/\d/y)
    const node = digit !== null ? numberNode(digit) : next === '{' ? this.group('}') : this.primary()
    this.depth--
    return node
  }

  private radical(): Node {
    const index = this.peek() === '[' ? this.group(']') : null
    this.space()
    const digits = this.match(/\d+/y)
    const inside = digits === null ? this.argument() : numberNode(digits)
    return index ? this.call('root', inside, index) : this.call('sqrt', inside)
  }

  private rounded(close: string, fn: 'floor' | 'ceil'): Node {
    const inside = this.sum()
    this.space()
    if (!this.text.startsWith(close, this.at)) return this.fail()
    this.at += close.length
    return this.call(fn, inside)
  }

  /** `\\sum_{k=1}^{10} k^2`, term by term; none without whole numbers for bounds, or with more terms than are worth it. */
  private series(op: 'add' | 'mul'): Node {
    const bounds = this.match(/ ?_ ?\{ ?[A-Za-z] ?= ?-?\d{1,6} ?\} ?\^ ?(?:\{ ?-?\d{1,6} ?\}|\d)/y)
    if (bounds === null) return op === 'add' ? this.openSum() : this.fail()
    const [, name, from, to] = /([A-Za-z])\D*?(-?\d+)\D*?(-?\d+)\D*$/.exec(bounds)!
    const [first, last] = [Number(from), Number(to)]
    // `\sum_{k=1}^{0}` has no term.
    const terms = last - first + 1
    if (terms < 0 || terms > MAX_TERMS || ++this.depth > MAX_DEPTH) return this.fail()
    const term = this.product()
    this.depth--
    if (term.op === 'matrix' || isLarger(term, MAX_EXPANDED / Math.max(1, terms))) return this.fail()
    let whole: Node | null = null
    for (let k = first; k <= last; k++) {
      const next = substitute(term, name!, numberNode(String(k)))
      whole = whole === null ? next : { op, a: whole, b: next }
    }
    return whole ?? numberNode(op === 'add' ? '0' : '1')
  }

  /** A sum with other bounds is linear in its term, whatever they are; so is a factor that is named after them. */
  private openSum(): Node {
    const bounds = this.match(/ ?_ ?(?:\{[^{}]{1,60}\}|\w) ?\^ ?(?:\{[^{}]{1,60}\}|\w|∞)/y)
    if (bounds === null || ++this.depth > MAX_DEPTH) return this.fail()
    const term = this.product()
    this.depth--
    const [, name, first] = /^_\{?([A-Za-z])=(-?\d{1,4})\}?\^\{?\+?∞\}?$/.exec(bounds.replace(/ /g, '')) ?? []
    const sum = name === undefined || term.op === 'matrix' ? null : geometricSum(term, name, Number(first))
    if (sum) return sum
    return this.join('mul', { op: 'sym', name: `\\sum${bounds.replace(/[ {}]/g, '')}` }, term)
  }

  /** `\\gcd(12, 18)`. */
  private divisors(fn: 'gcd' | 'lcm'): Node {
    if (!this.take('(')) return this.fail()
    const args = [this.sum()]
    while (this.take(',')) args.push(this.sum())
    return this.take(')') && args.length > 1 ? this.call(fn, ...args) : this.fail()
  }

  /** A function's argument: in brackets, or the product that follows (`\sin 2x`). */
  private apply(name: FunctionName, spelled: string): Node {
    let fn = name
    let base: Node | null = name === 'log' && this.take('_') ? this.argument() : null
    let exponent: Node | null = null
    if (this.take('^')) {
      exponent = this.argumentOrGroup()
      if (exponent.op === 'num' && exponent.approx === -1 && INVERSE[name]) {
        fn = INVERSE[name]
        exponent = null
      }
    }
    if (!base && name === 'log' && this.take('_')) base = this.argument()
    const outer = this.inTrig
    this.inTrig = TRIGONOMETRIC.has(fn)
    const bracketed = '([{|'.includes(this.peek() || ' ')
    if (++this.depth > MAX_DEPTH) return this.fail()
    let inside = bracketed ? this.postfix(this.primary()) : this.power()
    while (!bracketed && !this.startsFunction() && this.startsFactor(this.peek()) && !'(['.includes(this.peek()))
      inside = this.join('mul', inside, this.power())
    this.depth--
    this.inTrig = outer
    if (fn === 'root') return this.call('root', inside, numberNode('3'))
    const applied = spelled === 'lg' || !base ? this.call(fn, inside) : this.call('logb', inside, base)
    return exponent ? this.join('pow', applied, exponent) : applied
  }

  private argumentOrGroup(): Node {
    return this.peek() === '-' ? this.unary() : this.argument()
  }

  private startsFunction(): boolean {
    const word = /^\\?([a-z]+)/.exec(this.text.slice(this.at, this.at + 8))?.[1] ?? ''
    return Object.keys(FUNCTIONS).some((name) => name !== 'sqrt' && word.startsWith(name))
  }

  private matrix(): Node {
    const open = this.match(/ ?\{[pbBvV]?(?:small)?(?:matrix|array)\}(?: ?\{[^{}]{0,40}\})?/y)
    if (open === null || /[vV]matrix/.test(open)) return this.fail()
    const end = this.text.indexOf('\\end', this.at)
    const body = end < 0 ? '' : this.text.slice(this.at, end)
    this.at = end < 0 ? this.text.length : end
    if (this.match(/\\end ?\{[pbB]?(?:small)?(?:matrix|array)\}/y) === null) return this.fail()
    const lines = body
      .replace(/\\hline/g, ' ')
      .split(ROW_END)
      .filter((row) => row.trim() !== '')
    if (lines.length === 0 || lines.length > MAX_MATRIX) return this.fail()
    const rows = lines.map((row) =>
      row
        .split('&')
        .slice(0, MAX_MATRIX + 1)
        .map((entry) => new Parser(entry.trim(), this.budget, this.depth + 1).parse()),
    )
    const width = rows[0]!.length
    const whole =
      width <= MAX_MATRIX &&
      rows.every(
        (row) => row.length === width && row.every((entry) => entry && !some(entry, ({ op }) => op === 'matrix')),
      )
    return whole ? { op: 'matrix', rows: rows as Node[][] } : this.fail()
  }
}

function numberNode(digits: string): Node {
  return { op: 'num', exact: rational(BigInt(digits)), approx: Number(digits), decimals: 0 }
}
