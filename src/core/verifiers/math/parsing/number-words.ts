const SMALL = (
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen ' +
  'eighteen nineteen'
).split(' ')
const TENS = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ')

/** Words that multiply the number before them. */
export const SCALES: ReadonlyMap<string, number> = new Map([
  ['hundred', 100],
  ['thousand', 1e3],
  ['million', 1e6],
  ['billion', 1e9],
  ['trillion', 1e12],
  ['dozen', 12],
])

/** The whole number that words spell (`two hundred and twelve`), and how many of them do; null where none. */
export function readNumberWords(words: string[]): { value: number; used: number } | null {
  let total = 0
  let group = 0
  let used = 0
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!.toLowerCase()
    // `two hundred and twelve`; `one and two` are two numbers.
    if (word === 'and' && isScale(words[i - 1]) && isNumberWord(words[i + 1])) continue
    const parts = word.split('-')
    if (!parts.every(isNumberWord) || parts.length > 2) break
    for (const part of parts) {
      const scale = SCALES.get(part)
      const small = SMALL.indexOf(part)
      if (scale === undefined) group += small >= 0 ? small : 20 + 10 * TENS.indexOf(part)
      else if (scale <= 100) group = (group || 1) * scale
      else {
        total += (group || 1) * scale
        group = 0
      }
    }
    used = i + 1
  }
  return used > 0 ? { value: total + group, used } : null
}

const isScale = (word = '') => SCALES.has(word.toLowerCase())

function isNumberWord(word = ''): boolean {
  const lower = word.toLowerCase()
  return lower.split('-').every((part) => SMALL.includes(part) || TENS.includes(part) || SCALES.has(part))
}

const FRACTIONS = 'half third quarter fifth sixth seventh eighth ninth tenth'.split(' ')
const BOTTOMS = new Map(FRACTIONS.map((name, i) => [name, i + 2])).set('fourth', 4)

/** Which part a word names: 4 for `quarter`; 0 where it names none. */
function bottomOf(word: string | undefined): number {
  const name =
    word
      ?.toLowerCase()
      .replace(/^halves$/, 'half')
      .replace(/s$/, '') ?? ''
  return BOTTOMS.get(name) ?? 0
}

/**
 * The number that words begin with, as top / bottom, and how many of them it takes: `two thirds`, `a dozen`, `half`,
 * `two and a half`. Null where none.
 */
export function readWrittenNumber(words: string[]): { top: number; bottom: number; used: number } | null {
  const [first, second] = words
  if (first === undefined) return null
  // `three-quarters` is two words; `twenty-one` stays one.
  const [, head, tail] = /^([a-z]+)-([a-z]+)$/i.exec(first) ?? []
  if (head && tail && bottomOf(tail) > 0) {
    const found = readWrittenNumber([head, tail, ...words.slice(1)])
    return found && { ...found, used: found.used - 1 }
  }
  if (bottomOf(first) === 2) return { top: 1, bottom: 2, used: 1 }
  // `4 and a half`.
  if (/^\d{1,9}$/.test(first) && second?.toLowerCase() === 'and') return withPart(Number(first), 1, words)
  const article = /^an?$/i.test(first)
  if (article && bottomOf(second) > 0) return { top: 1, bottom: bottomOf(second), used: 2 }
  const whole = article ? readNumberWords(['one', ...words.slice(1)]) : readNumberWords(words)
  if (!whole || (article && whole.used < 2)) return null
  if (bottomOf(words[whole.used]) > 0) {
    return { top: whole.value, bottom: bottomOf(words[whole.used]), used: whole.used + 1 }
  }
  return withPart(whole.value, whole.used, words)
}

/** A whole number that so many words spell, with the fraction that follows behind "and". */
function withPart(value: number, used: number, words: string[]): { top: number; bottom: number; used: number } {
  const part = words[used]?.toLowerCase() === 'and' ? readWrittenNumber(words.slice(used + 1)) : null
  if (!part || part.bottom === 1) return { top: value, bottom: 1, used }
  return { top: value * part.bottom + part.top, bottom: part.bottom, used: used + 1 + part.used }
}
