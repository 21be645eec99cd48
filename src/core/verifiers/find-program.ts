/** The longest program that is run, in UTF-16 units. */
const MAX_PROGRAM = 65_536
const FENCED = /```[ \t]*(?:python|py|python3)?[ \t]*\r?\n([\s\S]*?)(?:\n[ \t]*```|$)/gi
const DEFINES = /^def[ \t]+solution[ \t]*\(/m
/** A line that may belong to a program at its outermost level. */
const OUTERMOST =
  /^(?:[ \t#@)\]}]|(?:async[ \t]+)?def\b|class\b|import\b|from\b|if\b|else\b|try\b|except\b|for\b|[\w.[\]'"]+[ \t]*[-+*/]?=(?!=)|print\(|$)/

/**
 * The Python program of a text that defines `solution()`: the last fenced block that does, else the lines around the
 * last definition for as long as they can be code. Null when there is none, or it is too long.
 */
export function findProgram(text: string): string | null {
  const fenced = [...text.matchAll(FENCED)].map(([, code]) => code!).filter((code) => DEFINES.test(code))
  const found = fenced.at(-1) ?? unfenced(text)
  return found === null || found.length > MAX_PROGRAM ? null : found
}

function unfenced(text: string): string | null {
  const lines = text.split(/\r?\n/)
  const at = lines.findLastIndex((line) => DEFINES.test(line))
  if (at < 0) return null
  const isCode = (line: string | undefined) => line !== undefined && OUTERMOST.test(line)
  let from = at
  while (isCode(lines[from - 1])) from--
  let to = at + 1
  while (isCode(lines[to])) to++
  return lines.slice(from, to).join('\n')
}
