import { BOXED, boxedAnswer } from './boxed-answer.ts'
import { plainText } from './plain-text.ts'
import { DENIED_BEFORE, HEDGE, TAKES_BACK } from './doubts.ts'
import { finalPart, taggedAnswer, withoutTokens } from './final-part.ts'
import { firstSentence, joinDisplay, lastSentence } from './last-sentence.ts'
import { isUnclearItem, listItems } from './list-items.ts'
import type { MathValue } from '../values/math-value.ts'
import { readings } from '../parsing/parse-value.ts'
import { withinLimits } from '../arithmetic/precise.ts'
import { readPhrase, type Reading } from './read-phrase.ts'
import { sameValue } from '../values/same-value.ts'

/** An answer stands at the end: of a longer text only this much is read, in UTF-16 units. */
const READ_CHARS = 64_000
/** Without a marker, the answer is looked for in this much of the end. */
const CLOSING_CHARS = 4000
/** The longest a stated answer may run on. */
const STATED_CHARS = 2200
/** How many markers are tried, from the last one backwards. */
const MARKERS_TRIED = 6

/** Marks of an answer and how far it runs. */
const HASHES = /####/g
const STATED = new RegExp(
  String.raw`\b(?=answer)(?<!${DENIED_BEFORE})answers?(?:\s?:|\s(?:is|are|=)(?![a-z])|\s(?=[$\\]))[ \t]?:?(?!\s?(?:correct|incorrect|right|wrong|not|no longer|never)\b)` +
    String.raw`|\banswer(?<=(?:^|\n)[#*_ \t]{0,8}(?:the )?(?:final |correct )?answer)[*_ \t]{0,8}(?=\n)` +
    String.raw`|\bans\s?[:.=]|\b(?:option|choice)\sis(?![a-z])|\n[ \t]{0,8}A:|^A:`,
  'gi',
)
/** The field of a JSON object. */
const FIELD = /"(?:final_?)?answer"\s?:\s?(?:"([^"]{1,400})"|([^\s"{},]{1,80}))/gi

/**
 * Every way to read the last stated answer, the likeliest first, in what the text says when its reasoning is over: in
 * answer tags; else behind `####`, in `\boxed{}`, behind "answer is" or "A:", whichever comes last and can be read;
 * without any of these, the mathematics or the number that the last sentence with one comes down to. Empty when there is
 * none, and where the last one is one of several, or only a bound.
 */
export function extractAnswer(text: string): MathValue[] {
  const said = finalPart(text)
  const tagged = taggedAnswer(said.slice(-READ_CHARS))
  const values = tagged === null ? lastStated(said) : inTags(tagged)
  return withinLimits(() => values.map(oneOfEquals))
}

function inTags(content: string): MathValue[] {
  const text = plainText(content).trim()
  const short = text.length <= STATED_CHARS && !text.includes('\n') && !MARKED.test(text)
  const whole = short ? readings(text) : []
  return whole.length > 0 ? whole : lastStated(content)
}
const MARKED = /####|\\boxed|\banswer/i

function lastStated(said: string): MathValue[] {
  const tail = plainText(withoutTokens(said.slice(-READ_CHARS)))
  const marks = [
    ...[...tail.matchAll(HASHES)].map((mark) => ({ at: mark.index, read: () => stated(tail, mark.index + 4, false) })),
    ...[...tail.matchAll(BOXED)].map((mark) => ({ at: mark.index, read: () => boxedAnswer(tail, mark.index) })),
    ...[...tail.matchAll(STATED)].map((mark) => ({
      at: mark.index,
      read: () => stated(tail, mark.index + mark[0].length),
    })),
    ...[...tail.matchAll(FIELD)].map((mark) => ({
      at: mark.index,
      read: () => readPhrase((mark[1] ?? mark[2])!, 'first'),
    })),
  ].sort((a, b) => b.at - a.at)
  for (const mark of marks.slice(0, MARKERS_TRIED)) {
    const values = mark.read()
    if (Array.isArray(values) && values.length > 0) return values
    // What is said last is no answer: only what comes after may be one.
    if (values === 'unclear' || values === 'excluded') return afterSentence(tail, mark.at)
  }
  return lastSentence(tail.slice(-CLOSING_CHARS))
}

/** What the sentences after one come to. */
function afterSentence(text: string, at: number): MathValue[] {
  const end = /[.!?](?=\s)|\n/.exec(text.slice(at))
  const rest = end ? text.slice(at + end.index + 1) : ''
  return /\p{L}|=/u.test(rest) ? lastSentence(rest.slice(-CLOSING_CHARS)) : []
}

/** `0.5 or 1/2`: one answer, said twice. */
function oneOfEquals(value: MathValue): MathValue {
  if (value.kind !== 'list' || value.joined !== 'or' || value.open !== '') return value
  const [first] = value.items
  return first && value.items.every((item) => sameValue(item, first)) ? first : value
}

/** The value of a sentence that begins with the answer. A bare word that more lines follow is a heading, and none. */
function stated(text: string, from: number, inProse = true): Reading {
  // A word, or a number, that goes on beyond is not read by half.
  const cut = text.slice(from, from + STATED_CHARS)
  const raw = /\S/.test(text[from + STATED_CHARS] ?? ' ') ? cut.replace(/\S+$/, '') : cut
  const [heading = '', ...lines] = raw.split('\n')
  if (/^[\s*_:]*$/.test(heading)) {
    const items = listItems(lines)
    if (items) return listed(items)
    if (isUnclearItem(lines.find((line) => line.trim() !== '') ?? '')) return 'unclear'
  }
  const said = raw.replace(/^[\s*_:]+/, '').trimEnd()
  const matrix = /^\s*(?:\$\$?|\\\[|\\\()?\s*\\begin\{[\s\S]*?\\end\{\w+\}/.exec(said)
  const line = matrix ? matrix[0] : joinDisplay(said).split('\n', 1)[0]!
  const quoted = /^\\?["“](.*?)\\?["”]/.exec(line)
  const [sentence, rest] = firstSentence(quoted?.[1] ?? line)
  if (TAKES_BACK.test(rest)) return 'unclear'
  const phrase = sentence.replace(HEDGE, '').replace(/[\s*_]+$/, '')
  // How far below zero is what may be asked for, where a sentence says it.
  const values = readPhrase(inProse ? phrase.replace(/(?<=\d) below zero$/, '') : phrase, 'first')
  const isHeading = /^[\s*_]*\p{L}+[\s*_:]*$/u.test(sentence) && said.length > line.length
  return isHeading ? 'none' : values
}

/** The one item of a list, or all. */
function listed(items: readonly string[]): Reading {
  const [first = ''] = items
  if (items.length === 1) return readPhrase(firstSentence(first)[0], 'first')
  const values = items.map((item) => readings(item)[0])
  if (values.every((value) => value !== undefined && value.kind !== 'text'))
    return [{ kind: 'list', open: '', close: '', joined: 'and', items: values }]
  return items.slice(1).some((item) => /\d/.test(item)) ? 'unclear' : readPhrase(firstSentence(first)[0], 'first')
}
