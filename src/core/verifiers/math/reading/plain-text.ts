/** Characters and markup that change how an answer looks and not what it says: taken away from a whole text, once. */

/** ASCII for what stands for it in other widths, scripts and styles. */
const SIGNS: Record<string, string> = {
  '٫': '.',
  '٬': ',',
  '٪': '%',
  '／': '/',
  '∕': '/',
  '。': '.',
  '、': ',',
  '➖': '-',
  '➕': '+',
  '➗': '/',
  '✕': '×',
}
const ROMAN = 'ⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩⅪⅫ'

/** Between these a text is struck out, or not shown at all. */
const STRUCK =
  /~~(?=\S)[^~\n]{1,200}~~|<(del|strike)(?: [^<>]{0,80})?>[^<]{0,400}<\/\1>|<!--(?:(?!<!--)[\s\S]){0,2000}?-->|(?:[^\s\u0336]\u0336)+/gi
/** Struck out too, where it is no pair of tokens around a whole text. */
const STRUCK_S = /(?<=\S\s{0,3})<s>[^<\n]{1,40}<\/s>|^<s>[^<\n]{1,40}<\/s>(?=\s*\S)/gi
const HTML =
  /<\/?(?:b|strong|i|em|u|ins|mark|span|font|center|code|pre|tt|big|small|h[1-6]|p|div|br|li|ul|ol|td|tr|table|body|html|blockquote|a|math|mn|mi|mo|mrow|s)(?:\s[^<>]{0,200})?\/?>/gi
const BREAKS = /^<\/?(?:p|div|br|li|ul|ol|tr|h[1-6]|blockquote)\b/i
const ENTITIES: Record<string, string> = {
  nbsp: ' ', amp: '&', lt: '<', gt: '>', minus: '−', times: '×', divide: '÷', frac12: '½', frac14: '¼', frac34: '¾', le: '≤', ge: '≥', ne: '≠', pi: 'π', deg: '°', radic: '√', plusmn: '±', ndash: '–', mdash: '—', quot: '"',
} // prettier-ignore

/** What no reader sees; not the signs that turn the order of what follows, which no text with numbers needs. */
const UNSEEN = /(?![\u202d\u202e\u2066-\u2069])[\p{Cf}\ufe0e\ufe0f\u20e3]/gu
/** Marks of approval, pictures, and ends of proofs. A cross stays: it says that the answer is none. */
const MARKS =
  /[✓✔☑✅∎■□▢◻◼⬛⬜☺★☆⭐✨❤♥❗❕‼\u{1F300}-\u{1F64F}\u{1F680}-\u{1F6FF}\u{1F900}-\u{1FAFF}]|\\(?:blacksquare|square|Box|qed|checkmark|bigstar)(?![A-Za-z])|\(?\bQ\.?E\.?D\b\.?\)?|(?<=\s):-?\)(?=\s|$)/gu

/** Everything on one line of a text, as it would be read aloud. */
export function plainText(text: string): string {
  if (
    !/[^\n -;=?-{|}]|<!?\/?[a-z-]|~~|&#?\w+;|\\(?:blacksquare|square|Box|qed|checkmark|bigstar)|Q\.?E\.?D|:-?\)|>/i.test(
      text,
    )
  )
    return text
  return text
    .replace(STRUCK, ' ')
    .replace(STRUCK_S, ' ')
    .replace(/<sup>([^<]{1,40})<\/sup>/gi, '^{$1}')
    .replace(/<sub>([^<]{1,40})<\/sub>/gi, '_{$1}')
    .replace(HTML, (tag) => (BREAKS.test(tag) ? '\n' : ''))
    .replace(/&(?:#(\d{2,6})|([a-z]{2,6}\d{0,2}));/gi, (whole, code?: string, name?: string) =>
      code ? String.fromCodePoint(Math.min(Number(code), 0x10ffff)) : (ENTITIES[name!.toLowerCase()] ?? whole),
    )
    .replace(UNSEEN, '')
    .replace(MARKS, ' ')
    .replace(/[٫٬٪／∕。、➖➕➗✕]/g, (sign) => SIGNS[sign]!)
    .replace(/(?:\d\u0305)+/g, (run) => `\\overline{${run.replace(/\u0305/g, '')}}`)
    .replace(/(\d)\u0307/g, '\\dot{$1}')
    .replace(/[\u{1D400}-\u{1D7FF}！-～①-⑳㉑-㉟]/gu, (sign) => sign.normalize('NFKC'))
    .replace(/[Ⅰ-Ⅻ]/g, (sign) => String(ROMAN.indexOf(sign) + 1))
    .replace(/\p{Nd}/gu, (digit) => (digit < '\u0080' ? digit : asciiDigit(digit)))
}

const digits = new Map<string, string>()

/** A script's digits stand side by side, from 0 to 9. */
function asciiDigit(digit: string): string {
  const known = digits.get(digit)
  if (known !== undefined) return known
  const at = digit.codePointAt(0)!
  let value = 0
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(at - value - 1))) value++
  digits.set(digit, String(value))
  return String(value)
}
