/** `math-verify-ours.ts FILE`: the rows of a file through our verifier, again and again: a second to warm up, two measured. */
import { readFileSync } from 'node:fs'
import { math } from '../../src/core/verifiers/math/index.ts'

const rows = readFileSync(process.argv[2]!, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { text: string; gold: string })

/** Whole passes, at least one, until so many seconds of processor time are spent. */
function passes(enough: number): { rows: number; seconds: number; correct: number } {
  const before = process.cpuUsage()
  for (let done = 1; ; done++) {
    const correct = rows.filter((row) => math.verify(row).correct).length
    const { user, system } = process.cpuUsage(before)
    const seconds = (user + system) / 1e6
    if (seconds >= enough) return { rows: done * rows.length, seconds, correct }
  }
}

passes(1)
console.log(JSON.stringify(passes(2)))
