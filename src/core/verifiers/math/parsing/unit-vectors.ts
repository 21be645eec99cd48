import { substitute, variables, type Node } from '../arithmetic/expression.ts'
import type { MathValue } from '../values/math-value.ts'
import { parseExpression } from './parse-expression.ts'
import { sameExpression } from '../arithmetic/same-expression.ts'

/** `\mathbf{i}`, `\hat{\imath}`, `\vec j`, `\hat{\mathbf{k}}`. */
const DRESSED =
  /\\(?:mathbf|boldsymbol|bm|vec|hat|widehat|overrightarrow|textbf)\s?\{?\s?(?:\\(?:mathbf|boldsymbol|bm|mathrm|vec|hat)\s?\{?\s?)?\\?(i|j|k|imath|jmath)(?:math)?(?![A-Za-z])\s?\}{0,2}/g
/** Letters that no one writes, for the three. */
const LETTERS: Record<string, string> = { i: 'ϟ', imath: 'ϟ', j: 'ϡ', jmath: 'ϡ', k: 'ϸ' }

/** The text with each unit vector as a letter of its own; null where there are not at least two. */
export function markUnitVectors(span: string): string | null {
  if (!/\\(?:mathbf|boldsymbol|bm|vec|hat|widehat|overrightarrow|textbf)/.test(span)) return null
  const marked = span.replace(DRESSED, (_, name: string) => ` ${LETTERS[name]} `)
  return new Set(marked.match(/[ϟϡϸ]/g)).size > 1 ? marked : null
}

const number = (n: number): Node => ({ op: 'num', exact: { n: BigInt(n), d: 1n }, approx: n, decimals: 0 })

/** A linear combination of such letters as the tuple of its coefficients; null for anything else. */
export function vectorOf(text: string): MathValue | null {
  const node = parseExpression(text)
  if (!node || node.op === 'matrix') return null
  const names = ['ϟ', 'ϡ', 'ϸ'].slice(0, variables(node).includes('ϸ') ? 3 : 2)
  const at = (values: readonly number[]) =>
    names.reduce<Node>((rest, name, i) => substitute(rest, name, number(values[i]!)), node)
  const coefficients = names.map((_, i) => at(names.map((__, j) => (i === j ? 1 : 0))))
  const combined = coefficients
    .map((coefficient, i): Node => ({ op: 'mul', a: coefficient, b: { op: 'sym', name: names[i]! } }))
    .reduce((a, b) => ({ op: 'add', a, b }))
  if (!sameExpression(node, combined)) return null
  const items = coefficients.map((part): MathValue => ({
    kind: 'expression',
    node: part,
    text: '',
    percent: false,
    unit: null,
  }))
  return { kind: 'list', open: '(', close: ')', joined: null, items }
}
