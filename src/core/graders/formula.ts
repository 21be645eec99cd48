import { GavelError } from '../errors.ts'

/** A multi grader's formula, parsed. */
export interface Formula {
  variables: ReadonlySet<string>
  /** May be NaN or infinite, as arithmetic has it. @param values one for every variable */
  evaluate(values: Readonly<Record<string, number>>): number
}

type Node = (values: Readonly<Record<string, number>>) => number

const FUNCTIONS = new Map<string, { arity: number; apply: (...args: number[]) => number }>([
  ['min', { arity: Infinity, apply: Math.min }],
  ['max', { arity: Infinity, apply: Math.max }],
  ['abs', { arity: 1, apply: Math.abs }],
  ['floor', { arity: 1, apply: Math.floor }],
  ['ceil', { arity: 1, apply: Math.ceil }],
  ['exp', { arity: 1, apply: Math.exp }],
  ['sqrt', { arity: 1, apply: Math.sqrt }],
  ['log', { arity: 1, apply: Math.log }],
])

type Operators = ReadonlyMap<string, (a: number, b: number) => number>

/** Tighter operators first; `^` groups from the right and binds tighter than a sign, as in mathematics: −2^2 is −4. */
const SUMS: Operators = new Map([
  ['+', (a, b) => a + b],
  ['-', (a, b) => a - b],
])
const PRODUCTS: Operators = new Map([
  ['*', (a, b) => a * b],
  ['/', (a, b) => a / b],
])

const TOKEN = /\s*(?:(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|([-+*/^(),]))/y
const MAX_DEPTH = 64

/**
 * Reads a formula: numbers, variables, + - * / ^, parentheses and the functions above.
 * @throws GavelError unprocessable (param `calculate_output`) saying where it stops making sense
 */
export function parseFormula(text: string): Formula {
  const tokens = tokenize(text)
  const variables = new Set<string>()
  let at = 0
  let depth = 0
  /** Empty at the end. */
  const peek = () => tokens[at]?.text ?? ''
  const take = () => tokens[at++]
  const expect = (wanted: string) => {
    if (peek() !== wanted) fail(text, tokens[at]?.at ?? text.length, `'${wanted}' is missing`)
    at++
  }

  const chain = (operators: Operators, operand: () => Node): Node => {
    let left = operand()
    for (;;) {
      const apply = operators.get(peek())
      if (!apply) return left
      at++
      const [a, b] = [left, operand()]
      left = (values) => apply(a(values), b(values))
    }
  }
  const sum = (): Node => chain(SUMS, product)
  const product = (): Node => chain(PRODUCTS, signed)

  function signed(): Node {
    if (++depth > MAX_DEPTH) fail(text, tokens[at]?.at ?? text.length, 'it is nested too deeply')
    const sign = peek()
    const hasSign = sign === '-' || sign === '+'
    if (hasSign) at++
    const node = hasSign ? signed() : power()
    depth--
    return sign === '-' ? (values) => -node(values) : node
  }

  function power(): Node {
    const base = atom()
    if (peek() !== '^') return base
    at++
    const exponent = signed()
    return (values) => base(values) ** exponent(values)
  }

  function atom(): Node {
    const token = take()
    if (token?.kind === 'number') return () => Number(token.text)
    if (token?.kind === 'name' && peek() === '(') return call(token)
    if (token?.kind === 'name') {
      variables.add(token.text)
      return (values) => values[token.text]!
    }
    if (token?.text !== '(') return fail(text, token?.at ?? text.length, 'a number, a variable or ( is missing')
    const inner = sum()
    expect(')')
    return inner
  }

  function call({ text: name, at: where }: Token): Node {
    const found = FUNCTIONS.get(name)
    if (!found) return fail(text, where, `there is no function ${name}; there are ${[...FUNCTIONS.keys()].join(', ')}`)
    const { arity, apply } = found
    at++
    const args = [sum()]
    while (peek() === ',') {
      at++
      args.push(sum())
    }
    expect(')')
    if (args.length > arity) fail(text, where, `${name} takes ${arity} value`)
    return (values) => apply(...args.map((arg) => arg(values)))
  }

  const root = sum()
  const left = tokens[at]
  if (left) fail(text, left.at, 'an operator is missing')
  return { variables, evaluate: root }
}

interface Token {
  kind: 'number' | 'name' | 'sign'
  text: string
  at: number
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  const end = text.trimEnd().length
  TOKEN.lastIndex = 0
  for (let at = 0; at < end; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(text)
    if (!match) {
      const where = at + (text.slice(at).length - text.slice(at).trimStart().length)
      return fail(text, where, `${JSON.stringify(text[where])} means nothing here`)
    }
    const [spaced, number, name] = match
    const kind = number !== undefined ? 'number' : name !== undefined ? 'name' : 'sign'
    const shown = spaced.trimStart()
    tokens.push({ kind, text: shown, at: TOKEN.lastIndex - shown.length })
  }
  return tokens
}

function fail(text: string, at: number, what: string): never {
  const message = `\`calculate_output\`, at character ${at + 1} of ${JSON.stringify(text.slice(0, 80))}: ${what}. Write a formula such as 0.5 * a + 0.5 * max(b, c).`
  throw new GavelError('unprocessable', message, { param: 'calculate_output' })
}
