import { realValue } from '../arithmetic/evaluate.ts'
import type { MathExpression, MathValue } from './math-value.ts'
import { rational } from '../arithmetic/rational.ts'
import { sameQuantity } from './same-quantity.ts'
import { spellValue } from './spell-value.ts'
import { knownUnit } from '../units/units.ts'

type Clock = Extract<MathValue, { kind: 'clock' }>

/** Times of day; where one of two does not say which half of the day, the other may be either. */
export function sameClock(answer: MathValue, gold: MathValue): boolean {
  if (answer.kind === 'clock' && gold.kind === 'clock') {
    const halves = answer.half === null || gold.half === null || answer.half === gold.half
    return halves && answer.hour === gold.hour && answer.minute === gold.minute
  }
  const [clock, other] = answer.kind === 'clock' ? [answer, gold] : [gold, answer]
  if (clock.kind !== 'clock') return false
  if (other.kind === 'named') return sameClock(clock, other.value)
  if (other.kind === 'ratio') {
    const time = other.text.replace(/^0(?=\d)/, '')
    return time === spellValue({ ...clock, half: null }) || on24Hours(clock).includes(time)
  }
  return (
    other.kind === 'expression' && other.unit === null && clock.minute === 0 && realValue(other.node) === clock.hour
  )
}

/** `19:05`. */
function on24Hours({ hour, minute, half }: Clock): string[] {
  const at = (from: number) => `${(hour % 12) + from}:${String(minute).padStart(2, '0')}`
  return half === null ? [] : [at(half === 'p' ? 12 : 0)]
}

/** Days; gold may leave the year out, and an answer may not. */
export function sameDate(answer: MathValue, gold: MathValue): boolean {
  if (answer.kind === 'named') return sameDate(answer.value, gold)
  if (gold.kind === 'named') return sameDate(answer, gold.value)
  if (answer.kind !== 'date' || gold.kind !== 'date') return false
  const year = gold.year === null || answer.year === gold.year
  return year && answer.month === gold.month && answer.day === gold.day
}

const SECOND = knownUnit('second')
const HANDS = /^(\d{1,3}):([0-5]\d)(?::([0-5]\d))?$/

/** Whether a time as a watch shows it (`2:05:30`) lasts as long as an amount with a unit of time. */
export function sameDuration(shown: string, amount: MathExpression): boolean {
  const [, first, second, third] = HANDS.exec(shown.replace(/ /g, '')) ?? []
  if (first === undefined || !amount.unit?.some((unit) => unit.known && unit.dimension === 'time')) return false
  const [a, b] = [Number(first), Number(second)]
  // Two hands are hours and minutes, or minutes and seconds.
  const seconds = third === undefined ? [3600 * a + 60 * b, 60 * a + b] : [3600 * a + 60 * b + Number(third)]
  return seconds.some((n) =>
    sameQuantity(
      {
        kind: 'expression',
        node: { op: 'num', exact: rational(BigInt(n)), approx: n, decimals: 0 },
        text: `${n} s`,
        percent: false,
        unit: SECOND,
      },
      amount,
    ),
  )
}
