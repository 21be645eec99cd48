/** Commands that JSON or a model may have escaped once too often (`\\frac` for `\frac`). */
const COMMANDS = new Set(
  (
    'frac dfrac tfrac cfrac sqrt left right le leq ge geq ne neq lt gt in cup cap infty pi cdot times div pm mp text ' +
    'textbf mathrm mathbf mathbb circ begin end sin cos tan ln log angle theta alpha beta dots ldots quad overline ' +
    'langle rangle binom boxed displaystyle degree emptyset'
  ).split(' '),
)

/** The end of a row of a matrix (LaTeX's `\\`). */
export const ROW_END = '⏎'

/**
 * Spellings that mean the same, in the order they are applied; afterwards each relation, operator and constant is one
 * character. Every pattern is linear.
 */
const SPELLINGS: [RegExp, string][] = [
  [/[\u2212\u2013\u2010\u2011\uFE63]/g, '-'],
  [/\u2062|\u2061|\u200b|\ufeff/g, ''],
  [/[\u00a0\u2009\u202f]/g, ' '],
  // `$125$ miles`: a formula between delimiters, not money.
  [/(?<!\\)\$([^$\s\\]|[^$\s][^$]*[^$\s\\])\$(?!\d)/g, ' $1 '],
  [/\\displaystyle(?![a-z])|\\(?:textstyle|limits|nolimits|nonumber|hfill|centering)(?![A-Za-z])/g, ''],
  [/\\(?:left|right|middle|[Bb]igg?[lrm]?)\s?\.(?!\d)/g, ' '],
  [/\\(?:left|right|middle|[Bb]igg?[lrm]?)(?![A-Za-z])/g, ''],
  [/(?<=\d)(?:\{,\}|\\!,\\!|,\\!|\\,|\\ )(?=\d{3}(?!\d))/g, ''],
  [/\\(?:begin|end)\s?\{(?:align|aligned|equation|gather|gathered|split|cases|displaymath|math|center)\*?\}/g, ' '],
  [/\\[;:, !>]|\\q?quad|~/g, ' '],
  [/\\(?:hspace|vspace|phantom|tag|label|mbox ?\{ ?\})\*?\{[^{}]*\}/g, ' '],
  [/\\mathbb ?\{? ?R ?\}?|\\R(?![A-Za-z])/g, 'ℝ'],
  [/\\mathbb ?\{? ?Z ?\}?/g, 'ℤ'],
  [/\\(?:text(?:bf|it|rm|normal|sf|tt)?|math(?:rm|bf|it|sf|cal)|mbox|hbox|operatorname|emph|underline|vec|bm)\*?\s?\{([^{}]*)\}/g, ' $1 '],
  [/\\(?:text(?:bf|it|rm|normal|sf|tt)?|math(?:rm|bf|it|sf|cal)|mbox|hbox|operatorname|emph|underline|vec|bm)\*?\s?\{([^{}]*)\}/g, ' $1 '],
  [/\\[()[\]]/g, ' '],
  [/(?<=[\w)])\*\*(?=[\w(])/g, '^'],
  [/\*\*|__|`/g, ' '],
  [/\\[dtc]frac/g, '\\frac'],
  [/\\[dt]binom/g, '\\binom'],
  [/\^ ?\{? ?(?:\\circ|\\degree|°|∘) ?\}?|\\degree(?![A-Za-z])|º/g, '°'],
  [/\\(?:leq?slant|leqq?|le)(?![A-Za-z])|<=|=<|⩽/g, '≤'],
  [/\\(?:geq?slant|geqq?|ge)(?![A-Za-z])|>=|⩾/g, '≥'],
  [/\\lt(?![A-Za-z])|&lt;/g, '<'],
  [/\\gt(?![A-Za-z])|&gt;/g, '>'],
  [/\\not ?=|\\neq?(?![A-Za-z])|!=/g, '≠'],
  [/\\(?:approx|simeq|doteq|equiv|cong)(?![A-Za-z])|≈|≡|==/g, '='],
  [/\\(?:implies|[Rr]ightarrow|[Ll]ongrightarrow|to|iff|[Ll]eftrightarrow)(?![A-Za-z])|[-=]>|⇒|→|⟹/g, '⇒'],
  [/\\(?:cdot|times|ast|bullet)(?![A-Za-z])|[×·⋅∙]/g, '*'],
  [/\\div(?![A-Za-z])|÷/g, '/'],
  [/\\pm(?![A-Za-z])|\+\/-/g, '±'],
  [/\\mp(?![A-Za-z])/g, '∓'],
  [/\\in(?![A-Za-z])/g, '∈'],
  [/\\cup(?![A-Za-z])/g, '∪'],
  [/\\cap(?![A-Za-z])/g, '∩'],
  [/\\(?:setminus|backslash)(?![A-Za-z])/g, '∖'],
  [/\\(?:emptyset|varnothing)(?![A-Za-z])/g, '∅'],
  [/\\infty(?![A-Za-z])|\binfinity\b/gi, '∞'],
  [/\\pi(?![A-Za-z])/g, 'π'],
  [/\\(?:colon)(?![A-Za-z])|∶/g, ':'],
  [/\\(?:lvert|rvert|vert|mid|lVert|rVert)(?![A-Za-z])|\\\|/g, '|'],
  [/\\(?:langle|lbrack|lparen)(?![A-Za-z])|⟨/g, '('],
  [/\\(?:rangle|rbrack|rparen)(?![A-Za-z])|⟩/g, ')'],
  [/\\(?:lbrace)(?![A-Za-z])/g, '{'],
  [/\\(?:rbrace)(?![A-Za-z])/g, '}'],
  [/\\(?:ldots|cdots|dots[cmb]?)(?![A-Za-z])|\.\.\./g, '…'],
  [/\\prime(?![A-Za-z])|[’′]/g, "'"],
  [/²/g, '^2'],
  [/³/g, '^3'],
  [/½/g, ' 1/2'],
  [/¼/g, ' 1/4'],
  [/¾/g, ' 3/4'],
  [/√/g, '\\sqrt'],
  [/\\([%$#&_{}])/g, '$1'],
  [/\s+/g, ' '],
] // prettier-ignore

/**
 * Brings LaTeX and plain writing of an answer to one spelling: no delimiters, no decoration, single spaces, one
 * character for each relation and operator.
 */
export function cleanMath(span: string): string {
  let text = span.replace(/(\\+)([A-Za-z]*|[{}%$]?)/g, (whole, slashes: string, after: string) => {
    if (slashes.length === 1) return whole
    const escapedTwice = slashes.length === 2 && (COMMANDS.has(after) || /^[{}%$]$/.test(after))
    if (escapedTwice) return `\\${after}`
    return (slashes.length > 1 ? ` ${ROW_END} ` : '') + (slashes.length % 2 ? '\\' : '') + after
  })
  // `\\[4pt]`: the space between two rows.
  text = text.replace(/⏎ ?\[ ?-?[\d.]{1,6} ?[a-z]{2} ?\]/g, ROW_END)
  for (const [pattern, spelling] of SPELLINGS) text = text.replace(pattern, spelling)
  text = trimEnd(text.trim())
  // A pair of dollars is a delimiter; a single one before or behind a number is money.
  while (text.length > 1 && text.startsWith('$') && text.endsWith('$')) text = trimEnd(text.slice(1, -1).trim())
  return trimEnd(
    text
      .replace(/\$(?! ?-?[\d.])/g, (dollar, at: number) =>
        /\d ?$/.test(text.slice(Math.max(0, at - 2), at)) ? dollar : ' ',
      )
      .replace(/ +/g, ' '),
  ).trim()
}

/** Without the punctuation that ends a phrase. */
function trimEnd(text: string): string {
  let end = text.length
  while (end > 0 && ' .,;:?'.includes(text[end - 1])) end--
  return text.slice(0, end)
}
