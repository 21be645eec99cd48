/** Which places of which sources each test file runs, and how long it takes; kept in `.cache/` as long as it holds. */
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { ROOT, type Tree } from './tree.ts'

const CACHE = join(ROOT, '.cache/mutants.json')

/** Tests that could tell a mutant: of the sources in scope, of what is built on them, and whole runs. */
const TESTS = [
  'test/{core,service,routes,gpu-worker,e2e}/**/*.test.ts',
  'test/contracts/{api,database,model-judges}.test.ts',
  'test/client.test.ts',
]
/** A file that takes longer than this, in seconds, is too slow to run again for each mutant; whole runs soonest. */
const limitOf = (test: string): number => (test.startsWith('test/e2e/') ? 20 : 60)

export interface MeasuredTest {
  test: string
  outcome: 'passed' | 'failed' | 'late'
  seconds: number
  /** The hash of each file it depends on: only while all are the same does this measure hold. */
  files: Record<string, string>
  /** By source, where it runs: begin and end of each stretch in turn. */
  runs: Record<string, number[]>
}

/** Of a file in a copy of the tree: what is edited meanwhile is not what was measured. */
function hashOf(tree: Tree, file: string): string {
  const path = join(tree.folder, file)
  return existsSync(path) ? createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16) : ''
}

const imports = new Map<string, string[]>()
function importsOf(file: string): string[] {
  let found = imports.get(file)
  if (!found) {
    const { importedFiles } = ts.preProcessFile(readFileSync(join(ROOT, file), 'utf8'))
    found = importedFiles
      .map(({ fileName }) => fileName)
      .filter((name) => name.startsWith('.') && name.endsWith('.ts'))
      .map((name) => join(dirname(file), name))
      .filter((name) => existsSync(join(ROOT, name)))
    imports.set(file, found)
  }
  return found
}

/** All that a file imports, and what that imports. */
function closure(file: string): Set<string> {
  const all = new Set([file])
  for (const each of all) importsOf(each).forEach((name) => all.add(name))
  return all
}

/** Whole runs start processes, which no import tells of. */
const mayRun = (test: string, sources: ReadonlySet<string>): boolean =>
  test.startsWith('test/e2e/') || [...closure(test)].some((file) => sources.has(file))

interface ScriptCoverage {
  url: string
  functions: { ranges: { startOffset: number; endOffset: number; count: number }[] }[]
}

/** Marks what a process ran. The innermost range around a place says whether it ran. */
function mark(ran: Uint8Array, { functions }: ScriptCoverage): void {
  const counts = new Uint8Array(ran.length)
  const ranges = functions.flatMap((each) => each.ranges)
  ranges.sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset)
  for (const { startOffset, endOffset, count } of ranges) counts.fill(count > 0 ? 1 : 0, startOffset, endOffset)
  counts.forEach((count, i) => (ran[i]! |= count))
}

function stretches(ran: Uint8Array): number[] {
  const bounds: number[] = []
  for (let i = 0; i <= ran.length; i++) if ((ran[i] ?? 0) !== (ran[i - 1] ?? 0)) bounds.push(i)
  return bounds
}

/** Stripping types keeps every character in its place, so V8's offsets are those of the source. */
function readCoverage(folder: string, tree: Tree): Pick<MeasuredTest, 'files' | 'runs'> {
  const ran = new Map<string, Uint8Array>()
  for (const name of readdirSync(folder)) {
    const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { result: ScriptCoverage[] }
    for (const script of result) {
      const path = script.url.startsWith('file:') ? fileURLToPath(script.url) : ''
      if (!path.startsWith(`${tree.folder}/`) || !path.endsWith('.ts')) continue
      const file = path.slice(tree.folder.length + 1)
      const marks = ran.get(file) ?? new Uint8Array(readFileSync(path, 'utf8').length)
      ran.set(file, marks)
      mark(marks, script)
    }
  }
  const sources = [...ran].filter(([file]) => file.startsWith('src/'))
  return {
    files: Object.fromEntries([...ran.keys()].map((file) => [file, hashOf(tree, file)])),
    runs: Object.fromEntries(sources.map(([file, marks]) => [file, stretches(marks)])),
  }
}

async function measureTest(tree: Tree, test: string): Promise<MeasuredTest> {
  const coverage = mkdtempSync(join(tree.folder, 'coverage-'))
  // Coverage needs code compiled anew: Node advises against its compile cache here.
  const env = { NODE_V8_COVERAGE: coverage, NODE_DISABLE_COMPILE_CACHE: '1' }
  const { outcome, seconds } = await tree.run(test, limitOf(test), env)
  const { files, runs } = readCoverage(coverage, tree)
  rmSync(coverage, { recursive: true })
  const imported = Object.fromEntries([...closure(test)].map((file) => [file, hashOf(tree, file)]))
  return { test, outcome, seconds, files: { ...imported, ...files }, runs }
}

/** The measures of all test files that could run one of `sources`; taken where the cache has none that holds. */
export async function measureTests(
  trees: readonly Tree[],
  sources: ReadonlySet<string>,
  progress: (text: string) => void,
): Promise<MeasuredTest[]> {
  const known = existsSync(CACHE) ? (JSON.parse(readFileSync(CACHE, 'utf8')) as MeasuredTest[]) : []
  const hashes = new Map<string, string>()
  const hashNow = (file: string): string => {
    const hash = hashes.get(file) ?? hashOf(trees[0]!, file)
    hashes.set(file, hash)
    return hash
  }
  // One that failed may have failed by chance: it is asked again.
  const holds = ({ files, outcome }: MeasuredTest) =>
    outcome !== 'failed' && Object.entries(files).every(([file, hash]) => hashNow(file) === hash)
  const kept = new Map(known.filter(holds).map((measured) => [measured.test, measured]))
  const tests = globSync(TESTS, { cwd: ROOT }).filter((test) => mayRun(test, sources)).sort() // prettier-ignore
  const waiting = tests.filter((test) => !kept.has(test))
  const total = waiting.length
  await Promise.all(
    trees.map(async (tree) => {
      for (let test = waiting.shift(); test !== undefined; test = waiting.shift()) {
        progress(`measuring ${total - waiting.length}/${total} ${test}`)
        kept.set(test, await measureTest(tree, test))
        mkdirSync(dirname(CACHE), { recursive: true })
        writeFileSync(CACHE, JSON.stringify([...kept.values()]))
      }
    }),
  )
  return tests.map((test) => kept.get(test)!)
}
