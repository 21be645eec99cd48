/** The API's clock jumps ahead and back, by seconds and by hours, while jobs run. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { Installation } from './installation.ts'
import { createJobs, differences, kindsOf, seenThrough, type Expected } from './leftovers.ts'
import type { Report } from './report.ts'

const JUMPS_MS = [-6 * 3600e3, -600e3, -30e3, 30e3, 600e3, 6 * 3600e3]
const PRELOAD = fileURLToPath(new URL('./shifted-clock.mjs', import.meta.url))

export async function clocks(options: { seed: number; expected: Expected; say(line: string): void }): Promise<Report> {
  const { seed, expected, say } = options
  const folder = mkdtempSync(join(tmpdir(), 'gavel-chaos-clock-'))
  const file = join(folder, 'shift')
  writeFileSync(file, '0')
  const here = await Installation.start('split', {
    serverEnv: { CHAOS_CLOCK: file, NODE_OPTIONS: `--import=${PRELOAD}` },
  })
  const figures = { jumps: 0, 'resumed by hand': 0 }
  const violations: string[] = []
  let over = false
  const jumping = jumpNowAndThen()
  try {
    const ids = await createJobs(here.api, kindsOf(expected))
    for (const [kind, id] of ids) {
      figures['resumed by hand'] += await seenThrough(here.api, id)
      violations.push(...(await differences(here.api, { id, name: `clocks, ${kind}`, expected: expected[kind]! })))
      say(`clocks: ${kind} is through, ${violations.length} violations`)
    }
  } catch (error) {
    violations.push(`clocks: ${(error as Error).stack ?? String(error)}`)
  } finally {
    over = true
    await jumping
    await here.close()
    rmSync(folder, { recursive: true, force: true })
  }
  return { scenario: 'clocks', figures, violations }

  /** Off for some seconds, and right again. */
  async function jumpNowAndThen(): Promise<void> {
    const rng = new SeededRng(seed, 'clocks')
    while (!over) {
      await sleep(3_000 + 5_000 * rng.uniform())
      if (over) return
      writeFileSync(file, String(JUMPS_MS[Math.floor(rng.uniform() * JUMPS_MS.length)]!))
      figures.jumps++
      await sleep(1_000 + 3_000 * rng.uniform())
      writeFileSync(file, '0')
    }
  }
}
