import type { MathValue } from './math-value.ts'

/** `3:30 PM`, `5 p.m.`; without its half of the day, `3:30` is left to be a ratio. */
export function parseClock(text: string): MathValue | null {
  if (/^(?:12 )?(?:noon|midnight)$/i.test(text))
    return { kind: 'clock', hour: 12, minute: 0, half: /noon/i.test(text) ? 'p' : 'a' }
  const found = /^(\d{1,2})(?::(\d{2}))? ?([ap])\.? ?m\.?$/i.exec(text)
  if (!found) return null
  const [hour, minute] = [Number(found[1]), Number(found[2] ?? 0)]
  if (hour < 1 || hour > 12 || minute > 59) return null
  return { kind: 'clock', hour, minute, half: found[3]!.toLowerCase() as 'a' | 'p' }
}

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ')
const MONTH =
  '(jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec|january|february|march|april|august|september|october|november|december)'
const DATES = [
  new RegExp(`^${MONTH}\\.? (?<day>\\d{1,2})(?:st|nd|rd|th)?(?:,? (?<year>\\d{4}))?$`, 'i'),
  new RegExp(`^(?<day>\\d{1,2})(?:st|nd|rd|th)? (?:of )?${MONTH}\\.?(?:,? (?<year>\\d{4}))?$`, 'i'),
]

/** `July 4, 1776`, `4th of July`: as text in one form. */
export function parseDate(text: string): MathValue | null {
  if (text.length > 32) return null
  const found = DATES.map((form) => form.exec(text)).find((match) => match !== null)
  if (!found) return null
  const month = MONTHS.findIndex((name) => found.slice(1).some((part) => part?.toLowerCase().startsWith(name)))
  const { day, year } = found.groups!
  return { kind: 'text', text: `${year ?? ''}-${month + 1}-${Number(day)}` }
}
