import type { BenchRow, BenchSuite } from '../row.ts'
import { mathVerify } from './math-verify.ts'

/** Every row by its name: a file each, which measures both sides by turns. */
const ROWS: Record<string, (rounds: number) => Promise<BenchRow>> = { 'math-verify': mathVerify }

export const rewardsSuite: BenchSuite = {
  rows: Object.keys(ROWS),
  async *measure(rows, rounds) {
    for (const name of rows) yield ROWS[name]!(rounds)
  },
}
