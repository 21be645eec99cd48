import { some, type Node } from '../arithmetic/expression.ts'
import type { Unit } from '../units/units.ts'

/** What a piece of mathematics says. */
export type MathValue =
  /** An expression, perhaps a number; `unit` is null where none is named, or none that is known. */
  | { kind: 'expression'; node: Node; text: string; percent: boolean; unit: Unit | null }
  /** `open` and `close` as written, empty for a bare list; `joined`: by "and" or "or", and so in no order. */
  | { kind: 'list'; open: string; close: string; joined: 'and' | 'or' | null; items: MathValue[] }
  /** Sets put together by ∪, ∩ or ∖, from the left. */
  | { kind: 'union'; first: MathValue; rest: { sign: string; part: MathValue }[] }
  /** `x = 5`, `f(x) = 5`, `x ∈ [0, 1]`; `left` is null where the name is words or a figure's. */
  | { kind: 'named'; name: string; left: Node | null; value: MathValue }
  /** An equation or inequality, perhaps a chain: `signs[i]` stands between `sides[i]` and `sides[i + 1]`. */
  | { kind: 'relation'; sides: Node[]; signs: string[]; text: string }
  /** `1 : 2 : 3`. */
  | { kind: 'ratio'; parts: Node[]; text: string }
  /** A numeral in another base: `204_5`. */
  | { kind: 'based'; digits: string; base: string }
  /** `3 (mod 7)`: a class of whole numbers, and the number that it is where a plain one was asked for. */
  | { kind: 'residue'; class: bigint; modulus: bigint; shown: bigint }
  /** A time of day on a clock of twelve hours: `3:30 PM`; `half` is null where nothing says which. */
  | { kind: 'clock'; hour: number; minute: number; half: 'a' | 'p' | null }
  /** A day, or a month of a year. */
  | { kind: 'date'; year: number | null; month: number; day: number | null }
  /** An answer to choose from, with what stands beside its letter. */
  | { kind: 'choice'; letter: string; value: MathValue | null }
  /** Words, or mathematics beyond what is understood: compared as normalised text. */
  | { kind: 'text'; text: string }

export type MathExpression = Extract<MathValue, { kind: 'expression' }>
export type MathList = Extract<MathValue, { kind: 'list' }>
export type MathRelation = Extract<MathValue, { kind: 'relation' }>

/** Whether the value says a number, and so is well-formed where one was asked for. */
export function isNumber(value: MathValue): boolean {
  if (value.kind === 'named') return isNumber(value.value)
  return value.kind === 'expression' && !some(value.node, ({ op }) => op === 'sym' || op === 'matrix')
}
