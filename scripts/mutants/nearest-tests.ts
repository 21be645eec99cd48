/** Which test files to run for a mutant, and in which order. */
import type { MeasuredTest } from './measure-tests.ts'

/**
 * Whether any part of the lines ran. Not the very place: V8 counts what comes after an `await` that was not reached as
 * not run, though the other branch has run on.
 */
const runsWithin = (bounds: readonly number[], { from, to }: Lines): boolean =>
  bounds.some((bound, i) => i % 2 === 0 && bound < to && bounds[i + 1]! > from)

interface Lines {
  file: string
  from: number
  to: number
}

const length = (bounds: readonly number[]): number =>
  bounds.reduce((sum, bound, i) => sum + (i % 2 === 0 ? -bound : bound), 0)

/** Tests that hold all of a folder at once: its limits, defaults and scopes by what is published of them. */
const HOLD_ALL_OF: Record<string, string> = {
  'test/routes/http/openapi.test.ts': 'src/routes/',
  'test/routes/routes.test.ts': 'src/routes/',
}

/** Whether a test lives where its source does: `test/core/x/y….test.ts`, `test/core/x.test.ts` of `src/core/x/y.ts`. */
function nearness(test: string, file: string): number {
  const [at, own] = [file.replace(/^src\//, '').replace(/\.ts$/, ''), test.replace(/^test\//, '').replace(/\.test\.ts$/, '')]
  if (at === own || file.startsWith(HOLD_ALL_OF[test] ?? '\0')) return 0
  return own.startsWith(at.slice(0, at.lastIndexOf('/'))) ? 1 : 2
} // prettier-ignore

/** So many of a mutant's tests are the quickest of all, where those beside its source leave no room for them. */
const ELSEWHERE = 2

/** What the tests after the first may take together: a mutant that survives runs them all. */
const MOST_SECONDS = 60

/**
 * The test files that run lines of a source. The one at the mirror path first, then those beside it; among
 * these the quick ones, and of two equally quick the one that runs more of the source: a module's top level is run by
 * all who import it, most of whom do nothing with it.
 */
export function nearestTests(measured: readonly MeasuredTest[], lines: Lines, most: number): MeasuredTest[] {
  const { file } = lines
  const price = ({ seconds, runs }: MeasuredTest) => seconds / length(runs[file]!) ** 2
  const able = measured
    .filter(({ outcome, runs }) => outcome === 'passed' && runs[file] !== undefined && runsWithin(runs[file], lines))
    .sort((a, b) => nearness(a.test, file) - nearness(b.test, file) || price(a) - price(b))
  const near = able.slice(0, Math.max(1, most - ELSEWHERE))
  const others = able.slice(near.length).sort((a, b) => price(a) - price(b))
  let spent = 0
  return [...near, ...others].filter(({ seconds }, i) => i === 0 || (spent += seconds) <= MOST_SECONDS).slice(0, most)
}
