/** Which test files to run for a mutant, and in which order. */
import type { MeasuredTest } from './measure-tests.ts'

const runsAt = (bounds: readonly number[], at: number): boolean =>
  bounds.findLastIndex((bound) => bound <= at) % 2 === 0

const length = (bounds: readonly number[]): number =>
  bounds.reduce((sum, bound, i) => sum + (i % 2 === 0 ? -bound : bound), 0)

/** Whether a test lives where its source does: `test/core/x/y….test.ts`, `test/core/x.test.ts` of `src/core/x/y.ts`. */
function nearness(test: string, file: string): number {
  const [at, own] = [file.replace(/^src\//, '').replace(/\.ts$/, ''), test.replace(/^test\//, '').replace(/\.test\.ts$/, '')]
  if (at === own) return 0
  return own.startsWith(at.slice(0, at.lastIndexOf('/'))) ? 1 : 2
} // prettier-ignore

/** What the tests after the first may take together: a mutant that survives runs them all. */
const MOST_SECONDS = 60

/**
 * The test files that run the place `at` of a source. The one at the mirror path first, then those beside it; among
 * these the quick ones, and of two equally quick the one that runs more of the source: a module's top level is run by
 * all who import it, most of whom do nothing with it.
 */
export function nearestTests(
  measured: readonly MeasuredTest[],
  file: string,
  at: number,
  most: number,
): MeasuredTest[] {
  const price = ({ seconds, runs }: MeasuredTest) => seconds / length(runs[file]!) ** 2
  let spent = 0
  return measured
    .filter(({ outcome, runs }) => outcome === 'passed' && runs[file] !== undefined && runsAt(runs[file], at))
    .sort((a, b) => nearness(a.test, file) - nearness(b.test, file) || price(a) - price(b))
    .filter(({ seconds }, i) => i === 0 || (spent += seconds) <= MOST_SECONDS)
    .slice(0, most)
}
