const SMALL = (
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen ' +
  'eighteen nineteen'
).split(' ')
const TENS = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ')

/** Words that multiply the number before them. */
export const SCALES: Record<string, number> = {
  hundred: 100,
  thousand: 1e3,
  million: 1e6,
  billion: 1e9,
  trillion: 1e12,
  dozen: 12,
}

/** The whole number that words spell (`two hundred and twelve`), and how many of them do; null where none. */
export function readNumberWords(words: string[]): { value: number; used: number } | null {
  let total = 0
  let group = 0
  let used = 0
  for (let i = 0; i < words.length; i++) {
    const word = words[i].toLowerCase()
    // `two hundred and twelve`; `one and two` are two numbers.
    const scaled = i > 0 && words[i - 1].toLowerCase() in SCALES
    if (word === 'and' && scaled && i + 1 < words.length && isNumberWord(words[i + 1])) continue
    const parts = word.split('-')
    if (!parts.every(isNumberWord) || parts.length > 2) break
    for (const part of parts) {
      const small = SMALL.indexOf(part)
      const tens = TENS.indexOf(part)
      if (small >= 0) group += small
      else if (tens >= 0) group += 20 + 10 * tens
      else if (SCALES[part] <= 100) group = (group || 1) * SCALES[part]
      else {
        total += (group || 1) * SCALES[part]
        group = 0
      }
    }
    used = i + 1
  }
  return used > 0 ? { value: total + group, used } : null
}

function isNumberWord(word: string): boolean {
  const lower = word.toLowerCase()
  return lower.split('-').every((part) => SMALL.includes(part) || TENS.includes(part) || part in SCALES)
}

const FRACTIONS = 'half third quarter fifth sixth seventh eighth ninth tenth'.split(' ')
const BOTTOMS: Record<string, number> = { ...Object.fromEntries(FRACTIONS.map((name, i) => [name, i + 2])), fourth: 4 }

/** Which part a word names: 4 for `quarter`; 0 where it names none. */
function bottomOf(word: string | undefined): number {
  const name =
    word
      ?.toLowerCase()
      .replace(/^halves$/, 'half')
      .replace(/s$/, '') ?? ''
  return Object.hasOwn(BOTTOMS, name) ? BOTTOMS[name] : 0
}

/**
 * The number that words begin with, as top / bottom, and how many of them it takes: `two thirds`, `a dozen`, `half`,
 * `two and a half`. Null where none.
 */
export function readWrittenNumber(words: string[]): { top: number; bottom: number; used: number } | null {
  // `three-quarters` is two words; `twenty-one` stays one.
  const [head, tail] = /^([a-z]+)-([a-z]+)$/i.exec(words[0])?.slice(1) ?? []
  if (bottomOf(tail) > 0) {
    const found = readWrittenNumber([head, tail, ...words.slice(1)])
    return found && { ...found, used: found.used - 1 }
  }
  if (bottomOf(words[0]) === 2) return { top: 1, bottom: 2, used: 1 }
  // `4 and a half`.
  if (/^\d{1,9}$/.test(words[0]) && words[1]?.toLowerCase() === 'and') return withPart(Number(words[0]), 1, words)
  const article = /^an?$/i.test(words[0])
  if (article && bottomOf(words[1]) > 0) return { top: 1, bottom: bottomOf(words[1]), used: 2 }
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
