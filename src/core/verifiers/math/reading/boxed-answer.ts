import { isDeniedBefore, TAKES_BACK } from './doubts.ts'
import { readings } from '../parsing/parse-value.ts'
import { readPhrase, type Reading } from './read-phrase.ts'
import { knownUnit } from '../units/units.ts'

/** Where a box begins. */
export const BOXED = /\\(?:boxed|fbox|framebox)(?:\s?\{|\s?(?=[\d\\$-])|\s(?=[A-Za-z]))/g
/** The most that a box holds. */
const MAX_CHARS = 1600
/** The most boxes that are one answer together. */
const MAX_BOXES = 16

/** What stands before a box that makes its content another number, or no answer. */
const TURNED = /(?:\\(?:neq?|not ?=|l(?:eq?|t)|g(?:eq?|t)|l?eqslant|geqslant)(?![A-Za-z])|[≠<>≤≥]|!=)\s*\$?\s*$/
const NEGATED = /(?:^|[=(:,\s$])[-−]\s*$/
/** What stands behind one that goes on computing. */
const GOES_ON = /^\s*(?:[\^+±]|\\(?:times|cdot|pm|div)(?![A-Za-z])|\*\s?\d|\/\s?\d|-\s?\d|!(?!\s|$|!))/

/** The content of the last `\boxed{}`; of several that only "and", commas and the like stand between, all. */
export function boxedAnswer(text: string, last: number): Reading {
  const boxes: { content: string; from: number; to: number }[] = []
  let at = last
  for (;;) {
    const box = boxAt(text, at)
    if (!box) return 'none'
    boxes.unshift(box)
    const before = text.lastIndexOf('\\boxed{', at - 1)
    if (at === 0 || before < 0 || boxes.length === MAX_BOXES) break
    const end = closingBrace(text, before + 6)
    // One box inside another is but that.
    const between = end < 0 || end > at ? '?' : text.slice(end + 1, at)
    if (!isJoint(between)) break
    at = before
  }
  if (boxes.length > 1) return readings(`\\{${boxes.map(({ content }) => content).join(', ')}\\}`)
  const { content, from, to } = boxes[0]!
  const [before, behind] = [text.slice(Math.max(0, from - 80), from), text.slice(to, to + 80)]
  if (content.replace(/\\(?:text|mathrm)\s?\{\s*\}|[\s$~]|\\[,;: ]/g, '') === '') return 'unclear'
  if (TURNED.test(before) || NEGATED.test(before) || isDeniedBefore(before)) return 'unclear'
  if (GOES_ON.test(behind) || takesBack(behind)) return 'unclear'
  return readPhrase(content + unitBehind(content, behind), 'first')
}

/** `\boxed{12}`, `\boxed 12`. */
function boxAt(text: string, at: number): { content: string; from: number; to: number } | null {
  const command = /^\\(?:boxed|fbox|framebox)\s?/.exec(text.slice(at, at + 12))![0]
  const open = at + command.length
  if (text[open] === '{') {
    const close = closingBrace(text, open)
    return close < 0 ? null : { content: text.slice(open + 1, close), from: at, to: close + 1 }
  }
  const bare = /^\$?(-?[\d.,/]*\d|\\[a-z]+\s?\{[^{}]{1,80}\}(?:\{[^{}]{1,80}\})?|[A-Za-z](?![A-Za-z]))/.exec(
    text.slice(open, open + 200),
  )
  return bare && { content: bare[1]!, from: at, to: open + bare[0].length }
}

const takesBack = (behind: string): boolean =>
  TAKES_BACK.test(behind.replace(/\\(?:text|textrm|mathrm|boxed)\s?\{|[{}$\\]/g, ' '))

/** `\boxed{5}\%`, `\boxed{5}\text{ km}`: a percent sign, or a known unit, that stands outside. */
function unitBehind(content: string, behind: string): string {
  if (/^[\s$]{0,3}(?:\\?%|percent\b|pct\b)/.test(behind)) return '%'
  if (!/^[-\s\d.,/]*\d\s*$/.test(content)) return ''
  const [, dressed, plain] =
    /^[\s$~]{0,3}(?:\\[,;: ]|~|\s)*(?:\\(?:text|mathrm|textrm|rm|operatorname)\s?\{\s*([^{}]{1,30}?)\s*\}|((?:(?:square|cubic) )?[\p{L}°]{2,20}(?:\/\p{L}{1,9}|(?: per \p{L}{3,9}))?)(?![\p{L}]))/u.exec(
      behind,
    ) ?? []
  if (dressed !== undefined) return /^\p{L}/u.test(dressed) && isUnit(dressed) ? ` ${dressed}` : ''
  return plain !== undefined && !/^(?:in|as|at|am|pm|are|min|max|mi|us|second|seconds)$/i.test(plain) && isUnit(plain)
    ? ` ${plain}`
    : ''
}

const isUnit = (words: string): boolean =>
  knownUnit(words) !== null || /^(?:hundred|thousand|million|billion|dozen)\b/.test(words)

/** Whether two boxes with this between them are one answer: "and", commas, a name for the second, "for part (a)". */
function isJoint(between: string): boolean {
  if (between.length > 60) return false
  if (/^(?: [A-Za-z]+){1,2} and $/.test(between)) return true
  const rest = between
    .replace(/\\(?:text|quad|qquad|mathrm)|\bfor part \(\w\)|\bor\b|\band\b|[\s,;$.+{}\\]|\\?[()[\]]/g, ' ')
    .trim()
  return rest === '' || (/\b(?:and|or)\b|,/.test(between) && /^[A-Za-z](?:_ ?\w)? ?=$/.test(rest))
}

function closingBrace(text: string, open: number): number {
  let depth = 0
  for (let i = open; i < text.length && i < open + MAX_CHARS; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '{') depth++
    else if (text[i] === '}' && --depth === 0) return i
  }
  return -1
}
