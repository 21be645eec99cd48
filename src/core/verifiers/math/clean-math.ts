/** Spellings that mean the same, in the order they are applied. Every pattern is linear. */
const SPELLINGS: [RegExp, string][] = [
  [/[\u2212\u2013]/g, '-'],
  [/\\\$/g, '$'],
  [/\\%/g, '%'],
  [/\{,\}|\\!|\\,(?=\d{3})/g, ','],
  [/,,/g, ','],
  [/\\(?:left|right|displaystyle|bigl?|bigr|Bigl?|Bigr)(?![A-Za-z])/g, ''],
  [/\\[;:, ]|\\q?quad(?![A-Za-z])|~|&/g, ' '],
  [/\\[dt]frac/g, '\\frac'],
  [/\\(?:text|textbf|textit|textnormal|mathrm|mathbf|mbox|operatorname)\s?\{([^{}]*)\}/g, ' $1 '],
  [/\\[()[\]]|\$\$|\*\*|`/g, ' '],
  [/\^\s?\{?\\circ\}?/g, '°'],
  [/\\([{}])/g, '$1'],
  [/\\(?:cdot|times)(?![A-Za-z])/g, '*'],
  [/\\(?:leq?|leqslant)(?![A-Za-z])/g, '<='],
  [/\\(?:geq?|geqslant)(?![A-Za-z])/g, '>='],
  [/\\approx(?![A-Za-z])|≈/g, '='],
  [/\s+/g, ' '],
]

/** Brings LaTeX and plain writing of an answer to one spelling: no delimiters, no decoration, single spaces. */
export function cleanMath(span: string): string {
  let text = span
  for (const [pattern, spelling] of SPELLINGS) text = text.replace(pattern, spelling)
  text = text.trim().replace(/[\s.,;:!?]+$/, '')
  // A pair of dollars is a delimiter; a single one before a number is money.
  while (text.length > 1 && text.startsWith('$') && text.endsWith('$')) text = text.slice(1, -1).trim()
  return text
    .replace(/\$(?!-?[\d.])/g, ' ')
    .replace(/ +/g, ' ')
    .replace(/[\s.,;:]+$/, '')
    .trim()
}
