import { realValue } from '../arithmetic/evaluate.ts'
import { bothSigns, variables, type Node } from '../arithmetic/expression.ts'
import type { MathRelation, MathValue } from './math-value.ts'

/** Whether words say that any real number will do. */
export const saysEverything = (text: string) => /^(?:ℝ|(?:all )?(?:the )?real ?numbers)$/i.test(text)

/** A set of real numbers: what is in it, and where that may change. */
export interface RealSet {
  /** The variable of the condition it was given as, if it was. */
  variable: string | null
  has(x: number): boolean
  edges: number[]
}

/** The set that an interval, a union of such, an inequality in one variable or a list of numbers is; null for others. */
export function realSet(value: MathValue): RealSet | null {
  switch (value.kind) {
    case 'expression':
      return points([value])
    case 'named':
      return realSet(value.value)
    case 'relation':
      return condition(value)
    case 'text':
      if (saysEverything(value.text)) return whole
      return value.text === '∅' ? { variable: null, has: () => false, edges: [] } : null
    case 'list': {
      // The set that holds the empty one is no set of numbers.
      if (value.items.some((item) => item.kind === 'text' && item.text === '∅')) return null
      const conditions = value.items.map((item) => (item.kind === 'relation' ? condition(item) : null))
      if (conditions.every((set) => set !== null))
        return value.joined === 'or' ? merge(conditions, 'some') : merge(conditions, 'every')
      if (value.open === '{' || value.joined) {
        const parts = value.items.map(realSet)
        return parts.every((set) => set !== null) ? merge(parts, 'some') : null
      }
      return interval(value.open, value.close, value.items)
    }
    case 'union': {
      let set = realSet(value.first)
      for (const { sign, part } of value.rest) {
        const next = realSet(part)
        if (!set || !next) return null
        const left = set
        set =
          sign === '∪'
            ? merge([left, next], 'some')
            : { ...merge([left, next], 'every'), has: (x) => left.has(x) && next.has(x) === (sign === '∩') }
      }
      return set
    }
    case 'based':
    case 'residue':
    case 'clock':
    case 'date':
    case 'choice':
    case 'ratio':
      return null
  }
}

/** Whether two sets hold the same numbers: compared at every edge of either, between the edges, and beyond them. */
export function sameSet(a: RealSet, b: RealSet): boolean {
  if (a.variable && b.variable && a.variable !== b.variable) return false
  const edges = [...new Set([...a.edges, ...b.edges])].filter(Number.isFinite).sort((x, y) => x - y)
  // So far out a double does not tell one edge from the next.
  if (edges.some((x) => Math.abs(x) > MAX_EDGE)) return false
  const distinct = edges.filter((x, i) => i === 0 || !near(x, edges[i - 1]!))
  const between = distinct.slice(1).map((x, i) => (x + distinct[i]!) / 2)
  const [least, greatest] = [distinct.at(0), distinct.at(-1)]
  const beyond =
    least === undefined || greatest === undefined ? [0] : [least - 1, least - 1e7, greatest + 1, greatest + 1e7]
  return [...distinct, ...between, ...beyond].every((x) => a.has(x) === b.has(x))
}

const MAX_EDGE = 1e12
const near = (x: number, y: number) => x === y || Math.abs(x - y) < 1e-9 * Math.max(1, Math.abs(x), Math.abs(y))
const whole: RealSet = { variable: null, has: () => true, edges: [] }

function merge(sets: RealSet[], how: 'some' | 'every'): RealSet {
  return {
    variable: sets.find(({ variable }) => variable !== null)?.variable ?? null,
    has: (x) => sets[how]((set) => set.has(x)),
    edges: sets.flatMap(({ edges }) => edges),
  }
}

function points(values: Extract<MathValue, { kind: 'expression' }>[]): RealSet | null {
  const numbers = values.flatMap(({ node }) => bothSigns(node).map((one) => realValue(one)))
  if (!numbers.every(Number.isFinite)) return null
  return { variable: null, has: (x) => numbers.some((number) => near(x, number)), edges: numbers }
}

function interval(open: string, close: string, items: MathValue[]): RealSet | null {
  if (items.length !== 2 || !'(['.includes(open) || !')]'.includes(close) || open === '') return null
  const end = (item: MathValue) => (item.kind === 'expression' ? realValue(item.node) : NaN)
  const [low, high] = [end(items[0]!), end(items[1]!)]
  if (Number.isNaN(low) || Number.isNaN(high)) return null
  return {
    variable: null,
    has: (x) =>
      (x > low && x < high && !near(x, low) && !near(x, high)) ||
      (open === '[' && near(x, low)) ||
      (close === ']' && near(x, high)),
    edges: [low, high],
  }
}

const HOLDS: Record<string, (a: number, b: number) => boolean> = {
  '<': (a, b) => a < b && !near(a, b),
  '>': (a, b) => a > b && !near(a, b),
  '≤': (a, b) => a < b || near(a, b),
  '≥': (a, b) => a > b || near(a, b),
  '=': near,
  '≠': (a, b) => !near(a, b),
}

/** Where the two sides of each relation may cross is looked for on a grid: whole and quarter numbers, then ever wider. */
const GRID = [
  ...Array.from({ length: 161 }, (_, i) => i / 4 - 20),
  ...Array.from({ length: 60 }, (_, i) => 20 * 1.2 ** (i + 1)).flatMap((x) => [x, -x]),
].sort((x, y) => x - y)

function condition({ sides, signs }: MathRelation): RealSet | null {
  const [name, another] = new Set(sides.flatMap(variables))
  const relations = signs.map((sign) => HOLDS[sign])
  if (name === undefined || another !== undefined || !relations.every((holds) => holds !== undefined)) return null
  const at = (side: Node, x: number) => realValue(side, () => x)
  return {
    variable: name,
    has: (x) => {
      const values = sides.map((side) => at(side, x))
      return relations.every((holds, i) => holds(values[i]!, values[i + 1]!))
    },
    edges: sides.slice(1).flatMap((right, i) => crossings((x) => at(sides[i]!, x) - at(right, x))),
  }
}

/** Where a function is 0 or jumps over it, as far as the grid shows; a straight line's exactly. */
function crossings(f: (x: number) => number): number[] {
  const [f0, f1, f2, f3] = [f(0), f(1), f(2), f(-1.5)]
  const slope = f1 - f0
  if (slope !== 0 && near(f2 - f1, slope) && near(f3, f0 - 1.5 * slope)) return [-f0 / slope]
  const found: number[] = []
  let low = GRID[0]!
  let atLow = f(low)
  for (const high of GRID) {
    const atHigh = f(high)
    if (atHigh === 0) found.push(high)
    const jumps = atLow * atHigh < 0 || Number.isNaN(atLow) !== Number.isNaN(atHigh)
    if (jumps) found.push(crossing(f, low, high, Math.sign(atLow)))
    low = high
    atLow = atHigh
  }
  return found
}

/** Where between two points a function loses the sign (NaN where it has no value) that it has at the first. */
function crossing(f: (x: number) => number, from: number, to: number, sign: number): number {
  let [low, high] = [from, to]
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2
    const value = f(middle)
    const same = Number.isNaN(sign) ? Number.isNaN(value) : Math.sign(value) === sign
    if (same) low = middle
    else high = middle
  }
  // A whole number or a simple fraction is meant where one is so near.
  const edge = (low + high) / 2
  const simple = Math.round(edge * 5040) / 5040
  return near(edge, simple) ? simple : edge
}
