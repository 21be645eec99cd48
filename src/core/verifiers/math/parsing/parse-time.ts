import type { MathValue } from '../values/math-value.ts'
import { readNumberWords } from './number-words.ts'

const DAYTIME = String.raw`(?:,? ?(?<half>[ap])\.? ?m\.?|,? (?<words>in the morning|in the afternoon|in the evening|at night))?`
const CLOCKS = [
  new RegExp(String.raw`^(?:at )?(?<hour>\d{1,2})(?::(?<minute>\d{2}))?(?: o['’]?clock)?${DAYTIME}$`, 'i'),
  new RegExp(String.raw`^(?:at )?(?:a )?(?<past>[a-z-]+|\d{1,2})(?: minutes?)? (?<way>past|after|to|before|till?) (?<hour>[a-z]+|\d{1,2})(?: o['’]?clock)?${DAYTIME}$`, 'i'),
  new RegExp(String.raw`^(?:at )?(?<hour>[a-z]+) o['’]?clock${DAYTIME}$`, 'i'),
] // prettier-ignore

/** `3:30 PM`, `5 p.m.`, `half past two`, `7 o'clock`; without a half of the day, `3:30` is left to be a ratio. */
export function parseClock(text: string): MathValue | null {
  if (text.length > 48) return null
  const named = /^(?:at )?(?:12 )?(noon|midnight)$/i.exec(text)
  if (named) return { kind: 'clock', hour: 12, minute: 0, half: /noon/i.test(named[1]!) ? 'p' : 'a' }
  const found = CLOCKS.map((form) => form.exec(text)).find((match) => match !== null)
  if (!found) return null
  const { hour: spelled, minute = '0', past, way, half, words } = found.groups!
  const daytime = half ?? (words && (/morning/i.test(words) ? 'a' : 'p'))
  const clear = daytime !== undefined || /clock|minute/i.test(text)
  // `3 to 5` and `ten to one` are ratios, and odds.
  if (!clear && !(past !== undefined && (/^(?:half|quarter)$/i.test(past) || (way === 'past' && !/\d/.test(past)))))
    return null
  const hour = numberOf(spelled!)
  const beside = past === undefined ? Number(minute) : minutesOf(past)
  if (hour === null || beside === null || hour < 1 || hour > 12 || beside > 59) return null
  const before = way !== undefined && !/^(?:past|after)$/i.test(way)
  const time = before ? { hour: hour === 1 ? 12 : hour - 1, minute: 60 - beside } : { hour, minute: beside }
  return { kind: 'clock', ...time, half: (daytime?.toLowerCase() as 'a' | 'p' | undefined) ?? null }
}

const minutesOf = (word: string): number | null =>
  /^half$/i.test(word) ? 30 : /^quarter$/i.test(word) ? 15 : numberOf(word)

function numberOf(word: string): number | null {
  if (/^\d+$/.test(word)) return Number(word)
  const found = readNumberWords([word])
  return found?.used === 1 ? found.value : null
}

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ')
const DAYS = 'sun mon tue wed thu fri sat'.split(' ')
const MONTH =
  '(?<month>jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec|january|february|march|april|august|september|october|november|december)'
const WEEKDAY = '(?:(?<weekday>sun|mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?)(?:day)?\\.?,? )?'
const DAY = '(?<day>\\d{1,2})(?:st|nd|rd|th)?'
const YEAR = '(?<year>\\d{4})'
const DATES = [
  `(?:the )?${MONTH}\\.? (?:the )?${DAY}(?:,? ${YEAR})?`,
  `(?:the )?${DAY} (?:day )?(?:of )?${MONTH}\\.?(?:,? (?:of )?${YEAR})?`,
  `${MONTH}\\.?,? ${YEAR}`,
  `${YEAR}(?<sign>[-/.])(?<number>\\d{1,2})\\k<sign>${DAY}`,
].map((form) => new RegExp(`^(?:on )?${WEEKDAY}${form}$`, 'i'))

/** `July 4, 1776`, `4th of July`, `1776-07-04`, `July 1776`; null for a day that is none, or another of the week. */
export function parseDate(text: string): MathValue | null {
  if (text.length > 48) return null
  const found = DATES.map((form) => form.exec(text)).find((match) => match !== null)
  if (!found) return null
  const { year, number, month: name, day, weekday } = found.groups!
  const month = number === undefined ? MONTHS.indexOf(name!.slice(0, 3).toLowerCase()) + 1 : Number(number)
  const date = { year: year === undefined ? null : Number(year), month, day: day === undefined ? null : Number(day) }
  if (month < 1 || month > 12 || (date.day !== null && (date.day < 1 || date.day > daysOf(date.year, month))))
    return null
  if (
    weekday &&
    date.year !== null &&
    date.day !== null &&
    DAYS[weekdayOf(date.year, month, date.day)] !== weekday.slice(0, 3).toLowerCase()
  )
    return null
  return { kind: 'date', ...date }
}

function daysOf(year: number | null, month: number): number {
  const leap = year === null || (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0))
  return month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31
}

/** 0 for Sunday, in the Gregorian calendar (T. Sakamoto's method). */
function weekdayOf(year: number, month: number, day: number): number {
  const y = month < 3 ? year - 1 : year
  const offset = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4][month - 1]!
  return (y + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + offset + day) % 7
}
