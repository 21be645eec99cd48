import type { MathValue } from '../values/math-value.ts'
import { rational } from '../arithmetic/rational.ts'
import { realSet } from '../values/real-set.ts'

/** How far from 0 whole numbers are looked for, and how many there may be. */
const REACH = 300
const MAX_MEMBERS = 100

/** `x ∈ ℤ`, with a sign of which of them. */
export const INTEGERS =
  /^([A-Za-z]) ?∈ ?(?:(ℤ|ℕ)(?: ?[_^] ?\{? ?(\+|-|\*|0|>0|≥0|> 0|≥ 0|\\geq? 0) ?\}?)?) ?(?:[|:,]|\bsuch that\b) ?(?=.*[<>≤≥≠=])/

/**
 * The whole numbers that meet a condition, as a set of them. ℕ begins with 1 unless it says ℕ₀. Null where there are too
 * many, or none that could be found for certain.
 */
export function integerSet(kind: string, sign: string | undefined, condition: MathValue): MathValue | null {
  const set = realSet(condition)
  if (!set || set.edges.some((edge) => Math.abs(edge) > REACH)) return null
  const least =
    kind === 'ℕ'
      ? sign !== undefined && /^(?:0|≥)/.test(sign)
        ? 0
        : 1
      : sign === '+' || sign?.startsWith('>')
        ? 1
        : sign?.startsWith('≥')
          ? 0
          : -REACH - 1
  const members: number[] = []
  for (let n = least; n <= REACH + 1; n++) {
    if (!set.has(n) || (sign === '-' && n >= 0) || (sign === '*' && n === 0)) continue
    // One that lies beyond all edges is not the last.
    if (Math.abs(n) > REACH || members.length === MAX_MEMBERS) return null
    members.push(n)
  }
  if (members.length === 0) return { kind: 'text', text: '∅' }
  const items = members.map((n): MathValue => ({
    kind: 'expression',
    node: { op: 'num', exact: rational(BigInt(n)), approx: n, decimals: 0 },
    text: String(n),
    percent: false,
    unit: null,
  }))
  return { kind: 'list', open: '{', close: '}', joined: null, items }
}
