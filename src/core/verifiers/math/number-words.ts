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
    if (word === 'and' && used > 0 && i + 1 < words.length && isNumberWord(words[i + 1])) continue
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
