import { cleanMath } from '../parsing/clean-math.ts'
import { isExcluded } from './doubts.ts'
import { realValue } from '../arithmetic/evaluate.ts'
import { isNumber, type MathExpression, type MathValue } from '../values/math-value.ts'
import { numbersIn, type FoundNumber } from './numbers-in.ts'
import { parseValue, readings } from '../parsing/parse-value.ts'
import { sameValue } from '../values/same-value.ts'
import { knownUnit } from '../units/units.ts'
import { isOperand } from '../parsing/written-arithmetic.ts'

/**
 * What a phrase says: every way to read it, the likeliest first. `none`: nothing like an answer. `excluded`: numbers that
 * are said not to be it, or to bound it. `unclear`: one of several, or a part of a computation that is not understood.
 */
export type Reading = MathValue[] | 'none' | 'excluded' | 'unclear'

export const FORMULA =
  /\$\$([^$]{1,1000})\$\$|\$([^$]{1,1000})\$|\\\(([^()]{1,1000}(?:\([^()]{0,200}\)[^()]{0,200}){0,8})\\\)|\\\[([^\]]{1,1000})\\\]/g

/** `18 out of 20`, and of chances `1 in 6`. */
const SHARE = /(?<![\d.,/])(\d{1,9}) out of (?:every )?(\d{1,9})(?![\d.,/]*\d)/
const CHANCE = /(?<![\d.,/])(\d{1,9}) (?:in|out of) (?:every )?(\d{1,9})(?![\d.,/]*\d)/
/** `(12 + 12)`: how it came about. */
const SUM_ASIDE = /\s\([\d\s$.]{1,20}[-+*/×÷][\d\s$.+*/×÷=-]{1,60}\)[\s.]*$/
/** `(20 red and 6 blue)`. */
const PARTS_ASIDE = /(?<=\d.{0,200})\s\((?!or\b|not\b|maybe\b)(?=[^()]*\d[^()]*\p{L}[^()]*\d)[^()]{1,100}\)[\s.]*$/u
/** `(forty-two)`, `or so`, `, I think`; but `(or 43)` is another answer. */
const ASIDE =
  /\s\((?=\p{Ll}{2})(?!(?:or|and|maybe|perhaps|possibly|not)\b[^()]*\d|(?:wrong|incorrect|false)\b|(?:not|no)\b[^()\d]*\))[^()]{0,100}\)[\s.]*$| or so\b(?! \p{L}* ?more).*$|,? I (?:think|believe|guess|suppose|hope)\b.*$/u

/**
 * Reads a phrase: as a value where it is one; else what stands behind its last equals sign; else the number it names:
 * an amount of money before others, then the first or the last.
 */
export function readPhrase(phrase: string, which: 'first' | 'last'): Reading {
  const withoutAside = phrase.replace(ASIDE, '')
  const whole = readings(withoutAside)
  const [likeliest] = whole
  if (likeliest && (which === 'first' || isNumber(likeliest))) return whole
  const formula = which === 'first' ? leadingFormula(phrase) : 'none'
  if (formula !== 'none') return formula
  const plain = withoutAside.replace(SUM_ASIDE, '').replace(PARTS_ASIDE, '')
  const text = cleanMath(/\d/.test(plain) ? plain : phrase)
  const equals = text.lastIndexOf('=')
  if (equals >= 0) {
    const right = text.slice(equals + 1)
    const value = parseValue(right)
    if (value && isNumber(value)) return [value]
    const [first] = numbersIn(right)
    if (first && !isOperand(right, first.start, first.end) && !hasAlternative(first, numbersIn(right), right))
      return [measured(first, right)]
  }
  const share = (/\b(?:probability|chance|odds)\b/i.test(text) ? CHANCE : SHARE).exec(text)
  if (share) {
    const [said, part, total] = share
    const beside = which === 'first' ? text.slice(0, share.index) : text.slice(share.index + said.length)
    if (!/\d/.test(beside)) return [`${part}/${total}`, part!].flatMap(readings)
  }
  const all = numbersIn(text)
  if (all.length === 0) return 'none'
  const numbers = all.filter(({ start, end }) => !isExcluded(text, start, end))
  if (numbers.length === 0) return 'excluded'
  const money = numbers.filter(({ currency }) => currency)
  const begins = which === 'first' && numbers.at(0)?.start === 0
  const chosen = begins ? numbers[0]! : (money.at(0) ?? numbers.at(which === 'first' ? 0 : -1)!)
  const ofNumber = chosen.number.percent && /^ of (?:the )?\$?\d/.test(text.slice(chosen.end, chosen.end + 12))
  if (ofNumber || isOperand(text, chosen.start, chosen.end)) return 'unclear'
  if (hasAlternative(chosen, all, text)) return 'unclear'
  return [amountAround(chosen, text) ?? measured(chosen, text)]
}

/** `2 hours and 30 minutes`, `5 feet 3 inches`. */
const AMOUNTS =
  /(?<![\w.,])\d{1,6}(?:\.\d{1,6})? ?\p{L}{1,12}(?:(?:,? and|,)? \d{1,6}(?:\.\d{1,6})? ?\p{L}{1,12}){1,3}(?!\w)/gu

/** The amount in several units of a kind that a number is a part of. */
function amountAround({ start }: FoundNumber, text: string): MathExpression | null {
  for (const { index, 0: amount } of text.matchAll(AMOUNTS)) {
    if (start < index || start >= index + amount.length) continue
    const value = parseValue(amount)
    if (value?.kind === 'expression' && value.unit) return value
  }
  return null
}

/** Short names that are words as well. */
const NO_UNIT = /^(?:in|as|at|a|am|pm|us|min|max|are|second|seconds|mi|d|t|m|s|h|l|g)$/i

/** A number in running text with the known unit behind it, up to three words long. */
function measured({ number, end }: FoundNumber, text: string): MathExpression {
  if (number.unit || number.percent) return number
  const words =
    /^ ?((?:\p{L}[\p{L}°./^\d]*)(?: \p{L}[\p{L}./^\d]*){0,3})/u.exec(text.slice(end, end + 60))?.[1]?.split(' ') ?? []
  for (let n = words.length; n > 0; n--) {
    const name = words.slice(0, n).join(' ').replace(/[.,]$/, '')
    if (NO_UNIT.test(name)) continue
    const unit = knownUnit(name)
    if (unit) return { ...number, unit }
  }
  return number
}

const ALTERNATIVE =
  /^(?:-?ish)? ?(?:~|\(?(?:or|to)|\(?,?(?: or)? (?:maybe|perhaps|possibly|alternatively|even)|\+-|±)(?: (?:maybe|perhaps|possibly|even))? ?$/

/** Whether a number is only one end of a range, or one of two that it may be: `6 to 7`, `between 6 and 7`, `6 or 7`. */
function hasAlternative(chosen: FoundNumber, numbers: FoundNumber[], text: string): boolean {
  const at = numbers.findIndex(({ start }) => start === chosen.start)
  const pairs = [numbers.slice(at, at + 2), at > 0 ? numbers.slice(at - 1, at + 1) : []]
  return pairs.some(([first, second]) => {
    if (!first || !second || sameValue(first.number, second.number)) return false
    const joint = text.slice(first.end, second.start)
    return (
      joint === ' ' ||
      /^,? \(?or\b(?! (?:more|less|greater|fewer|higher|lower|above|below|so)\b)[^.;:]{0,40}$/.test(joint) ||
      ALTERNATIVE.test(joint) ||
      (/^ ?- ?$/.test(joint) && realValue(first.number.node) < realValue(second.number.node)) ||
      (joint === ' and ' && /\bbetween $/i.test(text.slice(0, first.start)))
    )
  })
}

/** The formula that a sentence begins with, or comes to after a few words without a number. */
function leadingFormula(phrase: string): Reading {
  const [first] = phrase.matchAll(FORMULA)
  const inside = first && (first[1] ?? first[2] ?? first[3] ?? first[4])
  if (!inside || /\d/.test(phrase.slice(0, first.index))) return 'none'
  const [before, behind] = [phrase.slice(0, first.index), phrase.slice(first.index + first[0].length)]
  // `The largest $n$ is 34`.
  const said = /^ (?:is|are|equals) (?=[\d$\\-])(.*)$/s.exec(behind)
  if (said) return readPhrase(said[1]!, 'first')
  if (/\d/.test(inside) && isExcluded(`${before}0${behind}`, before.length, before.length + 1)) return 'excluded'
  if (/^ (?:or|to) \$?\\?[\d(-]/.test(behind) || isOperand(`${before}0${behind}`, before.length, before.length + 1))
    return 'unclear'
  const percent = /^ ?(?:\\?%|percent\b|pct\b)/.test(behind) ? '%' : ''
  const values = readings(inside + percent).filter(({ kind }) => kind !== 'text')
  return values.length > 0 ? values : 'none'
}
