import { realValue } from '../arithmetic/evaluate.ts'
import { isNumber, type MathValue } from './math-value.ts'

/** A value in one canonical spelling, so that equal plain answers are equal text: numbers in digits, lists with `, `. */
export function spellValue(value: MathValue): string {
  switch (value.kind) {
    case 'expression': {
      if (value.node.op !== 'num') {
        const number = isNumber(value) ? realValue(value.node) : NaN
        return value.text.includes('\\') || !Number.isFinite(number)
          ? value.text
          : `${number}${value.percent ? '%' : ''}`
      }
      const { exact, approx } = value.node
      return (exact?.d === 1n ? String(exact.n) : String(approx)) + (value.percent ? '%' : '')
    }
    case 'list':
      return value.open + value.items.map(spellValue).join(value.joined ? ` ${value.joined} ` : ', ') + value.close
    case 'union':
      return spellValue(value.first) + value.rest.map(({ sign, part }) => ` ${sign} ${spellValue(part)}`).join('')
    case 'named':
      return spellValue(value.value)
    case 'based':
      return `${value.digits}_${value.base}`
    case 'residue':
      return `${value.shown} (mod ${value.modulus})`
    case 'clock':
      return `${value.hour}:${String(value.minute).padStart(2, '0')}${value.half ? ` ${value.half}m` : ''}`
    case 'date':
      return [value.year, value.month, value.day]
        .filter((part) => part !== null)
        .map((part) => String(part).padStart(2, '0'))
        .join('-')
    case 'choice':
      return value.value ? `(${value.letter}) ${spellValue(value.value)}` : value.letter
    case 'ratio':
    case 'relation':
    case 'text':
      return value.text
  }
}
