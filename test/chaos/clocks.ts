/** The API's clock jumps ahead and back, by seconds and by hours, while jobs run. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { Installation } from './installation.ts'
import { runThrough, type ScenarioOptions } from './leftovers.ts'
import type { Report } from './report.ts'

const JUMPS_MS = [-6 * 3600e3, -600e3, -30e3, 30e3, 600e3, 6 * 3600e3]
const PRELOAD = fileURLToPath(new URL('./shifted-clock.mjs', import.meta.url))

export async function clocks(options: ScenarioOptions): Promise<Report> {
  const scenario = 'clocks'
  const folder = mkdtempSync(join(tmpdir(), 'gavel-chaos-clock-'))
  const file = join(folder, 'shift')
  writeFileSync(file, '0')
  let jumps = 0
  try {
    const here = await Installation.start('split', {
      serverEnv: { CHAOS_CLOCK: file, NODE_OPTIONS: `--import=${PRELOAD}` },
    })
    const { violations, resumed } = await runThrough(here, scenario, options, { meanwhile: jumpNowAndThen })
    return { scenario, figures: { jumps, 'resumed by hand': resumed }, violations }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }

  /** Off for some seconds, and right again. */
  async function jumpNowAndThen(isOver: () => boolean): Promise<void> {
    const rng = new SeededRng(options.seed, 'clocks')
    while (!isOver()) {
      await sleep(3_000 + 5_000 * rng.uniform())
      if (isOver()) return
      writeFileSync(file, String(JUMPS_MS[Math.floor(rng.uniform() * JUMPS_MS.length)]!))
      jumps++
      await sleep(1_000 + 3_000 * rng.uniform())
      writeFileSync(file, '0')
    }
  }
}
