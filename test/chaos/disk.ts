/** A disk that is full now and then, under the API's database and objects. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { Installation } from './installation.ts'
import { ENDS_ATTEMPTS, runThrough, type ScenarioOptions } from './leftovers.ts'
import type { Report } from './report.ts'

const MEGABYTES = 400

/** Skipped where this machine lets nobody mount a disk of memory. */
export async function fullDisk(options: ScenarioOptions): Promise<Report> {
  const scenario = 'full disk'
  const disk = mkdtempSync(join(tmpdir(), 'gavel-chaos-disk-'))
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${MEGABYTES}m`, 'tmpfs', disk]).status !== 0)
    return { scenario, figures: { skipped: 1 }, violations: [] }
  const figures = { 'times full': 0, 'reads refused': 0 }
  try {
    const here = await Installation.start('split', { data: join(disk, 'data') })
    const { violations, resumed } = await runThrough(here, scenario, options, {
      meanwhile: (isOver) => fillNowAndThen(here, isOver),
      mayFail: ENDS_ATTEMPTS,
    })
    return { scenario, figures: { ...figures, 'resumed by hand': resumed }, violations }
  } finally {
    spawnSync('umount', ['-l', disk])
    rmSync(disk, { recursive: true, force: true })
  }

  /** Full for some seconds, and then not. */
  async function fillNowAndThen(here: Installation, isOver: () => boolean): Promise<void> {
    const rng = new SeededRng(options.seed, 'full-disk')
    const filler = join(disk, 'filler')
    while (!isOver()) {
      await sleep(2_000 + 6_000 * rng.uniform())
      try {
        const { bavail, bsize } = statfsSync(disk)
        writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize)))
      } catch {
        // It is fuller than it was a moment ago: just so.
      }
      figures['times full']++
      await sleep(1_000 + 3_000 * rng.uniform())
      if (!(await here.api.jobs.list({ limit: 1 }).next().then(() => true, () => false))) figures['reads refused']++ // prettier-ignore
      rmSync(filler, { force: true })
    }
  }
}
