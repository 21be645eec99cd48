import { PROGRAM_ROWS, programRows } from './programs.ts'
import type { BenchRow, BenchSuite } from '../row.ts'
import { HTTP_ROWS, httpRows } from './http-rewards.ts'
import { JUDGE_ROWS, judgeRows } from './judge.ts'
import { mathVerify } from './math-verify.ts'

/** Rows that are read off the same processes, and what measures them: a file each. */
const GROUPS: { rows: readonly string[]; measure: (wanted: never[], rounds: number) => Promise<BenchRow[]> }[] = [
  { rows: ['math-verify'], measure: async (_, rounds) => [await mathVerify(rounds)] },
  { rows: HTTP_ROWS, measure: httpRows },
  { rows: JUDGE_ROWS, measure: judgeRows },
  { rows: PROGRAM_ROWS, measure: programRows },
]

export const rewardsSuite: BenchSuite = {
  rows: GROUPS.flatMap(({ rows }) => rows),
  async *measure(wanted, rounds) {
    for (const { rows, measure } of GROUPS) {
      const chosen = rows.filter((row) => wanted.includes(row))
      if (chosen.length > 0) yield* await measure(chosen as never[], rounds)
    }
  },
}
