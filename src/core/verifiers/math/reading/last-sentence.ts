import { DENIES } from './doubts.ts'
import { listItems } from './list-items.ts'
import { isNumber, type MathValue } from '../values/math-value.ts'
import { readNumberWords } from '../parsing/number-words.ts'
import { parseValue, readings } from '../parsing/parse-value.ts'
import { FORMULA, readPhrase } from './read-phrase.ts'
import { saysEverything } from '../values/real-set.ts'
import { saysNone } from '../values/says-none.ts'

/** The longest text that may be an answer as a whole. */
const WHOLE_CHARS = 2000
/** How many sentences without an answer are passed over. */
const SENTENCES_TRIED = 200
/** Where a sentence ends; `p.m. `, `sq. ` and `Rs. ` end none. */
const SENTENCE_END = /(?<!\b(?:[ap]\.?m|sq|cu|rs))(?:!+|[.?])(?=\s)/i
const FORMULA_ALONE = /^\s*\$[^$]+\$\s*$|^\s*\$\$[^$]+\$\$\s*$/

/** Display mathematics on one line. */
export function joinDisplay(text: string): string {
  return text.replace(/\$\$[^$]{0,1000}\$\$|\\\[[^\]]{0,1000}\\\]/g, (display) => display.replace(/\n/g, ' '))
}

/** The first sentence of a line, and what follows it with the mark that ends it. */
export function firstSentence(line: string): [sentence: string, rest: string] {
  const end = SENTENCE_END.exec(`${line} `)
  return end ? [line.slice(0, end.index), line.slice(end.index)] : [line, '']
}

/** The whole text where it is but an answer, else what its last sentence with an answer comes down to. */
export function lastSentence(text: string): MathValue[] {
  const letter = text.length <= WHOLE_CHARS ? chosenLetter(text) : null
  if (letter && !text.trim().includes('\n')) return letter
  const whole = text.length <= WHOLE_CHARS && !text.trim().includes('\n') ? readings(conclusion(text)) : []
  const [likeliest] = whole
  if (likeliest && (!isProse(likeliest) || FORMULA_ALONE.test(text))) return whole
  const items = closingList(text)
  if (items) return items
  const sentences = joinDisplay(text).split('\n').flatMap(sentencesOf)
  const last = sentences.findLast(({ said }) => /\p{L}/u.test(said))
  // A question states nothing, unless nothing follows it.
  const spoken = sentences.filter(({ said }) => /[\p{L}\d]/u.test(said))
  const tried = spoken.filter((sentence) => !sentence.asks || sentence === spoken.at(-1))
  for (const sentence of tried.reverse().slice(0, SENTENCES_TRIED)) {
    const { said } = sentence
    const denied = DENIES.test(said)
    const came = conclusion(denied ? (said.split(/\bbut\b/)[1] ?? '') : said.replace(/^\s*if\b[^,]*,/i, ''))
    const other = lastFormula(came) ?? closing(came)
    if (other) return other
    const values = readPhrase(came, 'last')
    if (values === 'unclear') return []
    const [value] = Array.isArray(values) ? values : []
    if (value && isNumber(value)) return values as MathValue[]
    const inWords = sentence === last ? numberInWords(came) : null
    if (inWords) return [inWords]
  }
  return []
}

/** A line's sentences, and whether each is a question, which states nothing. */
function sentencesOf(line: string): { said: string; asks: boolean }[] {
  const sentences: { said: string; asks: boolean }[] = []
  for (let rest = line; rest !== '';) {
    const [said, more] = firstSentence(rest)
    sentences.push({ said, asks: more.startsWith('?') || (more === '' && said.trimEnd().endsWith('?')) })
    rest = more.replace(/^(?:!+|[.?])/, '')
  }
  return sentences
}

/** `The solutions are:` and the items of a list, to the end of the text. */
function closingList(text: string): MathValue[] | null {
  const lines = text.trimEnd().split('\n')
  const heading = lines.findLastIndex((line) => line.trimEnd().endsWith(':'))
  if (heading < 0 || !/\b(?:are|is|solutions?|answers?|values?|roots?|results?|total)\b/i.test(lines[heading]!))
    return null
  const rest = lines.slice(heading + 1).filter((line) => line.trim() !== '')
  const items = listItems(rest)
  if (!items || items.length < rest.length) return null
  const values = items.map((item) => readings(item)[0])
  if (!values.every((value) => value !== undefined && value.kind !== 'text')) return null
  if (values.length === 1) return values
  return [{ kind: 'list', open: '', close: '', joined: 'and', items: values }]
}

const NEGATES = /\b(?:not|never|neither|nor|wrong|incorrect|except)\b|n['’]t\b/i

/** The number that a sentence without digits ends with, or nearly: `She has twenty-four eggs left`. */
function numberInWords(sentence: string): MathValue | null {
  const words = sentence.match(/[\p{L}'’-]+/gu) ?? []
  if (/\d/.test(sentence) || words.length > 60 || NEGATES.test(sentence)) return null
  const found: { at: number; value: number; used: number }[] = []
  for (let at = 0; at < words.length; at++) {
    const number = readNumberWords(words.slice(at))
    if (!number) continue
    found.push({ at, ...number })
    at += number.used - 1
  }
  const [number, another] = found
  if (!number || another) return null
  const { at, value, used } = number
  // `one` may stand for a thing.
  return value > 1 && at + used >= words.length - 3 ? parseValue(words.slice(at, at + used).join(' ')) : null
}

const CONNECTIVES =
  /(?:^\s*|[,;]? )(?:so|thus|hence|therefore|then|finally|clearly|overall|giving|making|leaving|totall?ing|for a total of|which (?:means|gives|is|makes|leaves)),? (?=\S)/gi

/** What a sentence comes to, where it says so and has a number there: `3x = 15, so x = 5`, `Thus, n = 14`. */
function conclusion(sentence: string): string {
  const found = [...sentence.matchAll(CONNECTIVES)].at(-1)
  const rest = found && sentence.slice(found.index + found[0].length)
  return rest !== undefined && /\d/.test(rest) ? rest : sentence
}

const SAID_DATE =
  '(?:the )?(?:\\d{1,2}(?:st|nd|rd|th)? (?:of )?)?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\\.?(?: \\d{1,2}(?:st|nd|rd|th)?)?(?:,? \\d{4})?'
/** What a sentence may end with that is no number: a time, a tuple, a ratio, several numbers, that there is none. */
const CLOSINGS = [
  /(?:^|\s)(\d{1,2}(?::\d{2})? ?[ap]\.?m\.?)[\s.*]*$/i,
  /(?:^|\s)(\((?:[^(),\s]{1,80}, ?){1,9}[^(),\s]{1,80}\))[\s.*]*$/,
  /(?:^|\s)(\d{1,6}(?: ?: ?\d{1,6}){1,3})[\s.*]*$/,
  /\b(?:ratio|odds)\b.{0,200} (\d{1,6} to \d{1,6})[\s.*]*$/i,
  /\bare:? (-?[\d./]{1,20}(?:(?:, -?[\d./]{1,20}){1,20}(?:,? and -?[\d./]{1,20})?| and -?[\d./]{1,20}))[\s*]*$/,
  new RegExp(`\\b(?:is|was|on|be|in|falls on|:) (${SAID_DATE})[\\s.*]*$`, 'i'),
  /\b(?:is|was|on|be|a) ((?:mon|tues|wednes|thurs|fri|satur|sun)day)[\s.*]*$/i,
  /\b(no (?:real |integer )?solutions?|does not exist|infinitely many solutions)[\s.*]*$/i,
]

/** `Option C is correct`, `I would choose C`. */
const CHOSEN = [
  /\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer|[Ss]tatement) \(?([A-J])\)?,? (?:is|must be|seems|looks)(?: (?:the|clearly|therefore|indeed|thus|obviously))* (?:correct|right|true|best|answer)\b/g,
  /(?:^|[\s*])\(([A-J])\)\*{0,2} is (?:therefore |clearly |thus )?(?:the )?(?:correct|right|best)\b/g,
  /(?<!\b(?:not|n['’]t|never|cannot)(?: \w+)? )\b(?:choose|pick|select|chose|picked|selected|go with|choosing) (?:(?:option|choice|answer) )?\(?([A-J])\)?[\s.*]*$/g,
]

function chosenLetter(sentence: string): MathValue[] | null {
  const letters = CHOSEN.flatMap((form) =>
    [...sentence.matchAll(form)].map(({ index, 1: letter }) => ({ index, letter: letter! })),
  )
  const last = letters.sort((a, b) => a.index - b.index).at(-1)
  return last ? [{ kind: 'choice', letter: last.letter, value: null }] : null
}

function closing(given: string): MathValue[] | null {
  const chosen = chosenLetter(given)
  if (chosen) return chosen
  const sentence = given.replace(/\$(-?[\d./]{1,20})\$/g, '$1')
  for (const form of CLOSINGS) {
    const found = form.exec(sentence)
    const values = found ? readings(found[1]!).filter(({ kind }) => kind !== 'expression') : []
    if (values.length > 0) return values
  }
  return null
}

const SAYS_HOW_MANY = /^(?:infinitely many(?: solutions)?|does not exist)$/i

/** Words that nothing marks as an answer, other than the usual ways to say none, or all. */
function isProse(value: MathValue): boolean {
  if (value.kind !== 'text' || !value.text.includes(' ') || SAYS_HOW_MANY.test(value.text)) return false
  return !saysNone(value.text) && !saysEverything(value.text)
}

/** The last formula between delimiters, where it says more than a number and no number follows it. */
function lastFormula(sentence: string): MathValue[] | null {
  if (!/[$\\]/.test(sentence)) return null
  const last = [...sentence.matchAll(FORMULA)].at(-1)
  const inside = last && (last[1] ?? last[2] ?? last[3] ?? last[4])
  if (!inside || !/[\\<>=≤≥≠^]|^\s*\(.*,.*\)\s*$/.test(inside)) return null
  if (/\d/.test(sentence.slice(last.index + last[0].length))) return null
  const values = readings(inside).filter(({ kind }) => kind !== 'text')
  return values.length > 0 ? values : null
}
