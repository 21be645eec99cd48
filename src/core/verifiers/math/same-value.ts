import type { MathNumber, MathValue } from './parse-value.ts'

/** |Δ| that counts as equal, as in ReFT's grader; below 1 it shrinks with gold, so that 0.01 is not 0.005. */
const TOLERANCE = 0.01

/**
 * Whether an answer says the same as gold. Whole numbers must be equal digit for digit; other numbers to within
 * 0.01 · min(1, |gold|); `35%` is both 35 and 0.35. A list in braces (or joined by "and"), and any list of tuples, is
 * a set; every other list has an order.
 */
export function sameValue(answer: MathValue, gold: MathValue): boolean {
  if (answer.kind === 'number' && gold.kind === 'number') return sameNumber(answer, gold)
  if (answer.kind === 'list' && gold.kind === 'list') return sameList(answer, gold)
  return answer.kind === 'expression' && gold.kind === 'expression' && answer.text === gold.text
}

function sameNumber(answer: MathNumber, gold: MathNumber): boolean {
  if (answer.integer !== null && gold.integer !== null) return answer.integer === gold.integer
  const near = (a: number, b: number) => Math.abs(a - b) <= TOLERANCE * Math.min(1, Math.abs(b)) + 1e-12
  if (near(answer.value, gold.value)) return true
  if (answer.percent === gold.percent) return false
  return answer.percent ? near(answer.value / 100, gold.value) : near(answer.value, gold.value / 100)
}

type MathList = Extract<MathValue, { kind: 'list' }>

function sameList(answer: MathList, gold: MathList): boolean {
  if (answer.items.length !== gold.items.length) return false
  const isSet =
    [answer, gold].some(({ brackets }) => brackets === '{}') || gold.items.every(({ kind }) => kind === 'list')
  if (!isSet) {
    const bare = answer.brackets === '' || gold.brackets === ''
    return (
      (bare || answer.brackets === gold.brackets) && answer.items.every((item, i) => sameValue(item, gold.items[i]))
    )
  }
  const left = [...gold.items]
  return answer.items.every((item) => {
    const match = left.findIndex((candidate) => sameValue(item, candidate))
    if (match >= 0) left.splice(match, 1)
    return match >= 0
  })
}
