/** `- `, `• `, `1. `, `(a) `: what begins an item of a list, at the beginning of a line. */
const BULLET = /^[ \t]*(?:(?:[-–—•‣▪◦*+·]|\(?(\d{1,2}|[a-h])[.)])[ \t]+)(?=\S)(.*)$/

/**
 * The items of the list that stands at the beginning of some lines, without what marks them; null where none stands
 * there. A number that is not the next one marks nothing: `12. 13` is no first item.
 */
export function listItems(lines: readonly string[]): string[] | null {
  const items: string[] = []
  for (const line of lines) {
    if (line.trim() === '') continue
    const found = BULLET.exec(line)
    if (!found) break
    const [, label, rest] = found
    if (label !== undefined && label !== String(items.length + 1) && label !== 'abcdefgh'[items.length]) return null
    items.push(rest!)
  }
  return items.length > 0 ? items : null
}

/** Whether a line is a number with a point behind it and another number: neither an item nor an answer. */
export const isUnclearItem = (line: string): boolean => /^[ \t]*\(?\d{1,2}[.)][ \t]+[-$\\]?\d/.test(line)
