/** Commands that JSON or a model may have escaped once too often (`\\frac` for `\frac`). */
const COMMANDS = new Set(
  (
    'frac dfrac tfrac cfrac sqrt left right le leq ge geq ne neq lt gt in cup cap infty pi cdot times div pm mp text ' +
    'textbf mathrm mathbf mathbb circ begin end sin cos tan ln log angle theta alpha beta dots ldots quad overline ' +
    'langle rangle binom boxed displaystyle degree emptyset'
  ).split(' '),
)

const SUPERSCRIPTS = Object.fromEntries([...'⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺'].map((sign, i) => [sign, '0123456789-+'[i]]))
const FRACTIONS: Record<string, string> = {
  '¼': '1/4', '½': '1/2', '¾': '3/4', '⅐': '1/7', '⅑': '1/9', '⅒': '1/10', '⅓': '1/3', '⅔': '2/3', '⅕': '1/5', '⅖': '2/5',
  '⅗': '3/5', '⅘': '4/5', '⅙': '1/6', '⅚': '5/6', '⅛': '1/8', '⅜': '3/8', '⅝': '5/8', '⅞': '7/8',
} // prettier-ignore

/** The end of a row of a matrix (LaTeX's `\\`). */
export const ROW_END = '⏎'

/**
 * Spellings that mean the same, in the order they are applied; afterwards each relation, operator and constant is one
 * character. Every pattern is linear.
 */
const SPELLINGS: [RegExp, string][] = [
  [/\\permil(?![A-Za-z])/g, '‰'],
  [/∑/g, '\\sum'],
  [/∏/g, '\\prod'],
  [/\{:\}/g, ':'],
  [/(?<=\d),? ?(?:\\text ?\{ ?)?\b(?:remainder|rem)\b\.?(?: of)? ?\}? ?(?=\d)/gi, ' R '],
  [/^ ?[—―ー] ?(?=[\d$.\\√π])/g, '-'],
  [/[\u2212\u2013\u2010\u2011\uFE63]/g, '-'],

  [/⁄/g, '/'],
  [/\\\{ ?\\\}/g, '∅'],
  [/\{([^{}]*)\\over(?![a-z])([^{}]*)\}/g, '\\frac{$1}{$2}'],
  [/\{([^{}]*)\\choose(?![a-z])([^{}]*)\}/g, '\\binom{$1}{$2}'],
  [/∴|\\therefore(?![A-Za-z])/g, ' '],
  [/\bRs\.? ?(?=\d)/gi, '₹'],
  [/[\u00a0\u2009\u202f]/g, ' '],
  // `$125$ miles`: a formula between delimiters, not money.
  [/(?<!\\)\$([^$\s\\]|[^$\s][^$]*[^$\s\\])\$(?!\d)/g, ' $1 '],
  // `-5` in words, `$5k`, `1'234`, `5 x 10^3`, `20 °C`.
  [/\b(?:negative|minus) (?=[$\d.\\]|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|\w+ty)\b)/gi, '-'],
  [/(\$ ?\d[\d.,]*)[kK](?![A-Za-z])/g, '$1 thousand'],
  [/(?<=\d)['’_](?=\d{3}(?!\d))/g, ''],
  [/(?<=\d) ?[xX] ?(?=10 ?\^)/g, '*'],
  [/\\(?:textcolor|colorbox|fcolorbox ?\{[^{}]{0,40}\}) ?\{[^{}]{0,40}\} ?(?=\{)|\\color ?\{[^{}]{0,40}\}|\\bbox ?(?:\[[^\]]{0,60}\])?/g, ' '],
  [/\\(?:(?:tiny|scriptsize|footnotesize|small|normalsize|large|Large|LARGE|huge|Huge|bf|rm|it|sf|tt|bfseries|mdseries|itshape|boldmath|strut|mathstrut|mathord|mathop|protect)(?![A-Za-z]))/g, ' '],
  [/\\(?:[bx]?cancel|sout|st|not(?= ?\d)) ?\{?/g, ' � '],
  [/\\displaystyle(?![a-z])|\\(?:textstyle|limits|nolimits|nonumber|hfill|centering)(?![A-Za-z])/g, ''],
  [/\\(?:left|right|middle|[Bb]igg?[lrm]?)\s?\./g, ' '],
  [/\\(?:left|right|middle|[Bb]igg?[lrm]?)(?![A-Za-z])/g, ''],
  [/(?<![\d.,}])(-?0) ?\{ ?, ?\} ?(?=\d)/g, '$1.'],
  [/(?<![\d.,])(\d{1,3})\.(\d{3}) ?\{ ?, ?\} ?(?=\d)/g, '$1$2.'],
  [/(?<=\d) ?\{ ?, ?\} ?(?=\d{3}(?!\d))/g, ''],
  [/(?<=\d) ?\{ ?, ?\} ?(?=\d)/g, '.'],
  [/(?<=\d)(?:\{,\}|\\!,\\!|,\\! ?|\\,|\\ )(?=\d{3}(?!\d))/g, ''],
  [/\\(?:begin|end)\s?\{(?:align|aligned|equation|gather|gathered|split|cases|displaymath|math|center)\*?\}/g, ' '],
  [/\\[;:, !>]|\\q?quad|~/g, ' '],
  [/\\(?:hspace|vspace|[hv]?phantom|tag|label|mbox ?\{ ?\})\*?\{[^{}]*\}/g, ' '],
  [/\\mathbb ?\{? ?R ?\}?|\\R(?![A-Za-z])/g, 'ℝ'],
  [/\\mathbb ?\{? ?Z ?\}?|\\Z(?![A-Za-z])/g, 'ℤ'],
  [/\\mathbb ?\{? ?N ?\}?|\\N(?![A-Za-z])/g, 'ℕ'],
  [/\\(?:text(?:bf|it|rm|normal|sf|tt)?|math(?:rm|bf|it|sf|cal)|mbox|hbox|operatorname|emph|underline|vec|bm|boldsymbol|pmb|mathtt|mathscr|mathnormal|textup|textsc|textmd|fbox|framebox|boxed|ensuremath|mathstrut)\*?\s?\{([^{}]*(?:\{[^{}]*\}[^{}]*){0,6})\}/g, ' $1 '],
  [/\\(?:text(?:bf|it|rm|normal|sf|tt)?|math(?:rm|bf|it|sf|cal)|mbox|hbox|operatorname|emph|underline|vec|bm|boldsymbol|pmb|mathtt|mathscr|mathnormal|textup|textsc|textmd|fbox|framebox|boxed|ensuremath|mathstrut)\*?\s?\{([^{}]*(?:\{[^{}]*\}[^{}]*){0,6})\}/g, ' $1 '],
  [/\\[()[\]]/g, ' '],
  [/(?<=[\w)])\*\*(?=[\w(])/g, '^'],
  [/\*\*|__|`/g, ' '],
  [/(?<![\w)}\]*] ?)\*(?=\S)([^*]*[^*\s])\*(?![\w*])/g, '$1'],
  [/(?<=\d)(?:st|nd|rd|th)\b/g, ''],
  [/\\[dtc]frac/g, '\\frac'],
  [/\\[dt]binom/g, '\\binom'],
  [/(?:\{ ?\}|(?<![\w})]))[\^_] ?\{? ?(\d{1,4}) ?\}? ?C ?_ ?\{? ?(\d{1,4}) ?\}?/g, '\\binom{$1}{$2}'],
  [/(?:\{ ?\}|(?<![\w})]))[\^_] ?\{? ?(\d{1,4}) ?\}? ?P ?_ ?\{? ?(\d{1,4}) ?\}?/g, '\\frac{$1!}{($1-$2)!}'],
  [/\^ ?\{? ?(?:\\circ|\\degree|°|∘) ?\}?|\\degree(?![A-Za-z])|º/g, '°'],
  [/° ?C(?![A-Za-z])/g, ' celsius'],
  [/° ?F(?![A-Za-z])/g, ' fahrenheit'],
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
  [/√/g, '\\sqrt'],
  [/∛/g, '\\sqrt[3]'],
  [/∜/g, '\\sqrt[4]'],
  [/\\([%$#&_{}])/g, '$1'],
  [/(?<=\d) point (?=\d)/g, '.'],
  [/(?<!\d)\.(?= ?\\overline)/g, '0.'],
  // `0.(3)` and `0.1(6)` repeat what stands in brackets; `2.5(3) + 1` multiplies.
  [/(?<=\d\.)\((\d{1,40})\)(?![\d!^])/g, '\\overline{$1}'],
  [/^(-?\d{0,20}\.\d{1,20})\((\d{1,40})\)$/g, '$1\\overline{$2}'],
  [/\\dot ?\{? ?(\d) ?\}?(\d{0,38})\\dot ?\{? ?(\d) ?\}?/g, '\\overline{$1$2$3}'],
  [/(\.\d{0,9}?)(\d)\2{0,30},? (?:repeating|recurring)$/g, '$1\\overline{$2}'],
  [/(\.\d{0,6}?)(\d{2,12}?)\2{1,9} ?…/g, '$1\\overline{$2}'],
  // `0.333…` goes on as it began.
  [/(\.\d{0,9}?)(\d)\2{2,30} ?…/g, '$1\\overline{$2}'],
  [/\s+/g, ' '],
  [/(?<=\p{L}{2}) \^/gu, '^'],
] // prettier-ignore

/** Equations one below another. */
const ALIGNED = /\\begin ?\{(aligned|align|gathered|gather|split|eqnarray|equation)\*?\}([\s\S]*?)\\end ?\{\1\*?\}/g

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
  // A system of equations is its equations; one with conditions beside them is a function, and stays.
  text = text.replace(/\\begin ?\{cases\}([^&]*?)\\end ?\{cases\}/g, (_, rows: string) => rows.replaceAll(ROW_END, ','))
  text = text.replace(/\\begin ?\{(array)\} ?(?:\{[^{}]{0,20}\})?([^&⏎\\]*)\\end ?\{array\}/g, ' $2 ')
  text = text.replace(ALIGNED, (_, __, rows: string) =>
    rows
      .replace(/⏎[ &]*(?=[=<>≤≥]|\\[lg]eq?(?![a-z]))/g, ' ')
      .replaceAll(ROW_END, ', ')
      .replaceAll('&', ' '),
  )
  text = text.replace(
    /([⁰¹²³⁴-⁹]+)[⁄/]([₀-₉]+)/g,
    (_, top: string, bottom: string) =>
      `${[...top].map((sign) => SUPERSCRIPTS[sign]).join('')}/${[...bottom].map((sign) => sign.charCodeAt(0) - 0x2080).join('')}`,
  )
  text = text.replace(/^ ?⁻(?=\d)/, '-')
  text = text.replace(/\^ ?([¼½¾⅐-⅞])/g, (_, sign: string) => `^{${FRACTIONS[sign]}}`)
  text = text.replace(/[⁰¹²³⁴-⁹⁻⁺]+/g, (run) => `^{${[...run].map((sign) => SUPERSCRIPTS[sign]).join('')}}`)
  text = text.replace(/[¼½¾⅐-⅞]/g, (sign) => ` ${FRACTIONS[sign]}`)
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
  while (end > 0 && ' .,;:?*'.includes(text[end - 1]!)) end--
  return text
    .slice(0, end)
    .replace(/(?<=\S ) ?-$/, '')
    .trimEnd()
}
