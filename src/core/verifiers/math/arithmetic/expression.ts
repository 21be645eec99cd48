import type { Rational } from './rational.ts'

/** An arithmetic or algebraic expression, as parsed. */
export type Node =
  /** `exact` is null where a number is too long for exact arithmetic; `decimals` are the digits behind its point. */
  | { op: 'num'; exact: Rational | null; approx: number; decimals: number }
  | { op: 'sym'; name: string }
  | { op: 'const'; name: 'pi' | 'e' | 'i' | 'inf' }
  | { op: 'add' | 'sub' | 'mul' | 'div' | 'pow'; a: Node; b: Node }
  | { op: 'neg'; a: Node }
  /** Degrees inside a trigonometric function. */
  | { op: 'deg'; a: Node }
  /** ± (sign 1) and ∓ (sign −1) before a term. */
  | { op: 'pm'; sign: 1 | -1; a: Node }
  | { op: 'call'; fn: FunctionName; args: Node[] }
  /** At least one row, and all of one length. */
  | { op: 'matrix'; rows: Node[][] }

export type FunctionName = (typeof FUNCTION_NAMES)[number]

/** Functions of one argument under their own name, and those that only notation leads to (`root`, `logb`, `binom` …). */
export const FUNCTION_NAMES = [
  'sin', 'cos', 'tan', 'cot', 'sec', 'csc', 'arcsin', 'arccos', 'arctan', 'sinh', 'cosh', 'tanh', 'ln', 'log', 'exp',
  'sqrt', 'abs', 'root', 'logb', 'binom', 'factorial', 'floor', 'ceil',
  'mod', 'gcd', 'lcm',
] as const // prettier-ignore

/** The parts of a node. */
export function children(node: Node): Node[] {
  if ('b' in node) return [node.a, node.b]
  if ('a' in node) return [node.a]
  if (node.op === 'call') return node.args
  return node.op === 'matrix' ? node.rows.flat() : []
}

/** Whether any node below (and with) this one has the property. */
export function some(node: Node, has: (node: Node) => boolean): boolean {
  return has(node) || children(node).some((child) => some(child, has))
}

/** Whether a node has more parts than that, counting a part as often as it stands. */
export function isLarger(node: Node, limit: number): boolean {
  let parts = 0
  return some(node, () => ++parts > limit)
}

/** The names of the variables, sorted. */
export function variables(node: Node): string[] {
  const names = new Set<string>()
  some(node, (part) => {
    if (part.op === 'sym') names.add(part.name)
    return false
  })
  return [...names].sort()
}

/** The same expression with each part replaced by what `change` makes of it, from the leaves up. */
function rebuild(node: Node, change: (node: Node) => Node): Node {
  const inner = (part: Node) => rebuild(part, change)
  if ('b' in node) return change({ ...node, a: inner(node.a), b: inner(node.b) })
  if ('a' in node) return change({ ...node, a: inner(node.a) })
  if (node.op === 'call') return change({ ...node, args: node.args.map(inner) })
  if (node.op === 'matrix') return change({ ...node, rows: node.rows.map((row) => row.map(inner)) })
  return change(node)
}

/** The expression with a number in place of a variable, be it one that is a constant elsewhere (`i`). */
export const substitute = (node: Node, name: string, value: Node): Node =>
  rebuild(node, (part) => ((part.op === 'sym' || part.op === 'const') && part.name === name ? value : part))

/** What an expression with ± stands for: the upper signs, then the lower ones; itself where it has none. */
export function bothSigns(node: Node): Node[] {
  if (!some(node, ({ op }) => op === 'pm')) return [node]
  return [1, -1].map((upper) =>
    rebuild(node, (part) => (part.op !== 'pm' ? part : part.sign === upper ? part.a : { op: 'neg', a: part.a })),
  )
}

/**
 * Two nodes joined by an operation; matrices are worked out entry by entry, so that a matrix node only ever stands at
 * the top. Null where shapes do not fit.
 */
export function combine(op: 'add' | 'sub' | 'mul' | 'div' | 'pow', a: Node, b: Node): Node | null {
  if (a.op !== 'matrix' && b.op !== 'matrix') return { op, a, b }
  const each = (m: Node[][], change: (entry: Node) => Node): Node => ({
    op: 'matrix',
    rows: m.map((row) => row.map(change)),
  })
  if (a.op === 'matrix' && b.op === 'matrix') {
    const [aTop, bTop] = [a.rows[0]!, b.rows[0]!]
    if (op === 'mul') {
      if (aTop.length !== b.rows.length) return null
      const columns = bTop.map((_, j) => b.rows.map((row) => row[j]!))
      const entry = (row: Node[], column: Node[]) =>
        row.map((x, k): Node => ({ op: 'mul', a: x, b: column[k]! })).reduce((x, y) => ({ op: 'add', a: x, b: y }))
      return { op: 'matrix', rows: a.rows.map((row) => columns.map((column) => entry(row, column))) }
    }
    const fits = a.rows.length === b.rows.length && aTop.length === bTop.length
    if (!fits || (op !== 'add' && op !== 'sub')) return null
    return { op: 'matrix', rows: a.rows.map((row, i) => row.map((x, j) => ({ op, a: x, b: b.rows[i]![j]! }))) }
  }
  if (a.op === 'matrix') return op === 'mul' || op === 'div' ? each(a.rows, (x) => ({ op, a: x, b })) : null
  return op === 'mul' && b.op === 'matrix' ? each(b.rows, (x) => ({ op, a, b: x })) : null
}
