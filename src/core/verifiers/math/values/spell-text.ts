/** One spelling for mathematics that is compared as text. A space between digits stays: `4 3/8` is not `43/8`. */
export function spellText(text: string): string {
  const space = /\p{L}{2,} \p{L}{2,}/u.test(text) ? ' ' : ''
  return text
    .replace(/\s+/g, (_, at: number) => (/\d\s+\d/.test(text.slice(Math.max(0, at - 1), at + 8)) ? ' ' : space))
    .replace(/([_^])\{(\w)\}/g, '$1$2')
    .replace(/\\frac(\d)(\d)/g, '\\frac{$1}{$2}')
    .replace(/\\sqrt(\w)/g, '\\sqrt{$1}')
}
