/**
 * `npm run mutants -- [--only PATH…] [--sample N] [--all] [--seed N]`: changes one line of the sources at a time and
 * runs the nearest tests, to see whether one of them notices. What survives is a line that no test holds: it lacks a
 * test, or it is listed in `mutants/equivalent.json` with the reason why nothing could be noticed. Copies of the tree
 * are changed, never the tree. The report is the same for the same seed and sources; another seed tries other changes.
 *
 * Without `--only`, `--sample` or `--survivors` it takes a sample of 300, spread over the folders: minutes. `--all`
 * takes everything, for an hour or more.
 *
 * Our own, because Stryker fits neither way: its command runner runs the whole suite for each mutant, and its TAP
 * runner, which runs node:test files one by one, learns what they cover only in the test's own process, while jobs and
 * judges run in processes that the tests start.
 */
import { Command, InvalidArgumentError, Option } from 'commander'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { measureTests, type MeasuredTest } from './mutants/measure-tests.ts'
import { apply, mutantsOf, sample, type Mutant } from './mutants/mutants.ts'
import { nearestTests } from './mutants/nearest-tests.ts'
import { isSame, readEquivalents, report, shareCaught, shown, type Result } from './mutants/report.ts'
import { ROOT, Tree } from './mutants/tree.ts'

const SCOPE = [
  'src/core/{rewards,rl,judges,stats}/**/*.ts',
  'src/service/**/*.ts',
  'src/gpu-worker/{algorithms,losses,training,checkpoint}/**/*.ts',
  'src/routes/**/*.ts',
]
/** How many mutants are taken where nothing says which. */
const DEFAULT_SAMPLE = 300
/** The share of mutants, without the equivalent ones, that tests must catch. */
const WANTED_SHARE = 0.95

function wholeNumber(text: string): number {
  const n = Number(text)
  if (Number.isInteger(n) && n >= 1) return n
  throw new InvalidArgumentError('A whole number of at least 1 is wanted.')
}

interface Options {
  only?: string[]
  seed: number
  sample?: number
  all?: boolean
  tests: number
  survivors?: string
  json?: string
  list?: boolean
}

const options = new Command('mutants')
  .option('--only <paths...>', 'only sources at or under these paths')
  .option('--seed <n>', 'chooses the change of each line', wholeNumber, 1)
  .option(
    '--sample <n>',
    `only so many mutants, spread over the folders (${DEFAULT_SAMPLE} without --only, --survivors and --all)`,
    wholeNumber,
  )
  .addOption(
    new Option('--all', 'every mutant of every source: an hour or more').conflicts(['sample', 'only', 'survivors']),
  )
  .option('--tests <n>', 'how many test files to run for a mutant at most', wholeNumber, 6)
  .option('--survivors <file>', 'only what survived in the run that wrote this file with --json')
  .option('--json <file>', 'write what became of each mutant there')
  .option('--list', 'print the mutants and run nothing')
  .parse()
  .opts<Options>()

const isWanted = (file: string): boolean =>
  options.only?.some((path) => file === path || file.startsWith(`${path.replace(/\/$/, '')}/`)) ?? true

function chosenMutants(): Mutant[] {
  const files = globSync(SCOPE, { cwd: ROOT }).filter(isWanted).sort()
  const all = files.flatMap((file) => mutantsOf(file, readFileSync(join(ROOT, file), 'utf8'), options.seed))
  if (options.survivors) {
    const before = JSON.parse(readFileSync(options.survivors, 'utf8')) as Result[]
    const survived = before.filter(({ outcome }) => outcome === 'survived')
    return all.filter((mutant) => survived.some((other) => isSame(mutant, other)))
  }
  const size = options.sample ?? (options.only || options.all ? undefined : DEFAULT_SAMPLE)
  return size ? sample(all, size, options.seed) : all
}

function progress(text: string): void {
  if (process.stderr.isTTY)
    process.stderr.write(`\r\x1b[2K${text.endsWith('\n') ? text : text.slice(0, process.stderr.columns - 1)}`)
  else process.stderr.write(`${text.trimEnd()}\n`)
}

/** Whether one of the tests notices the change. A test that hangs has noticed, too. */
async function tryMutant(tree: Tree, mutant: Mutant, tests: readonly MeasuredTest[]): Promise<Result> {
  const text = tree.read(mutant.file)
  const ran: string[] = []
  tree.write(mutant.file, apply(text, mutant))
  try {
    for (const { test, seconds } of tests) {
      ran.push(test)
      const { outcome } = await tree.run(test, 3 * seconds + 5)
      if (outcome !== 'passed') return { ...mutant, outcome: outcome === 'late' ? 'late' : 'caught', tests: ran }
    }
  } finally {
    tree.write(mutant.file, text)
  }
  return { ...mutant, outcome: 'survived', tests: ran }
}

async function tryAll(mutants: readonly Mutant[]): Promise<Result[]> {
  const trees = Array.from({ length: availableParallelism() }, () => new Tree())
  const measured = await measureTests(trees, new Set(mutants.map(({ file }) => file)), progress)
  for (const { test, outcome } of measured) {
    if (outcome === 'failed') console.error(`${test} fails without any change: it is left out`)
  }
  const equivalents = readEquivalents()
  const results: Result[] = []
  const began = performance.now()
  let [next, done, survived] = [0, 0, 0]
  const takeMutants = async (tree: Tree): Promise<void> => {
    while (next < mutants.length) {
      const index = next++
      const mutant = mutants[index]!
      const reason = equivalents.find((known) => isSame(known, mutant))?.reason
      results[index] = reason
        ? { ...mutant, outcome: 'equivalent', tests: [], reason }
        : await tryMutant(tree, mutant, nearestTests(measured, mutant, options.tests))
      if (results[index].outcome === 'survived') {
        survived++
        progress(`${shown(results[index])}\n`)
      }
      progress(`${++done}/${mutants.length} ${survived} survived  ${mutant.file}:${mutant.line}`)
    }
  }
  await Promise.all(trees.map(takeMutants))
  progress(`${mutants.length} mutants in ${((performance.now() - began) / 1000).toFixed(0)} s\n`)
  return results
}

const mutants = chosenMutants()
if (options.list) {
  for (const { file, line, original, mutated } of mutants) console.log(`${file}:${line}  ${original} → ${mutated}`)
} else {
  const results = await tryAll(mutants)
  if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
  console.log(report(results))
  process.exitCode = shareCaught(results) < WANTED_SHARE ? 1 : 0
}
