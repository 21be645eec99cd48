// Which files import each other in a circle. Plain JavaScript: ESLint's config loads it.
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'

/**
 * The circles of imports (types included) among the TypeScript files below a folder: Tarjan's strongly connected components
 * of two files or more.
 * @param {string} folder
 * @param {string} root what paths are relative to
 * @returns {Map<string, string[]>} by file, the files of its circle, in order of their names
 */
export function importCircles(folder, root) {
  const relative = (file) => path.relative(root, file).split(path.sep).join('/')
  const files = readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => path.join(folder, name))
  const imports = new Map(
    files.map((file) => {
      const { importedFiles } = ts.preProcessFile(readFileSync(file, 'utf8'), true, true)
      const own = importedFiles.map(({ fileName }) => fileName).filter((name) => name.startsWith('.'))
      return [relative(file), own.map((name) => relative(path.join(path.dirname(file), name)))]
    }),
  )
  return circlesOf(imports)
}

/** @param {Map<string, string[]>} imports */
function circlesOf(imports) {
  const [index, lowest, stack, circles] = [new Map(), new Map(), [], new Map()]
  const visit = (file) => {
    index.set(file, index.size)
    lowest.set(file, index.get(file))
    stack.push(file)
    for (const next of imports.get(file) ?? []) {
      if (!imports.has(next)) continue
      if (!index.has(next)) visit(next)
      if (stack.includes(next)) lowest.set(file, Math.min(lowest.get(file), lowest.get(next)))
    }
    if (lowest.get(file) !== index.get(file)) return
    const circle = stack.splice(stack.indexOf(file)).sort()
    if (circle.length > 1) for (const one of circle) circles.set(one, circle)
  }
  for (const file of imports.keys()) if (!index.has(file)) visit(file)
  return circles
}
