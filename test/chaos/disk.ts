/** A disk that is full now and then, under the API's database and objects. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { Installation } from './installation.ts'
import { createJobs, differences, seenThrough, kindsOf, type Expected } from './leftovers.ts'
import type { Report } from './report.ts'

const MEGABYTES = 400
const ENDS_ATTEMPTS = /^(storage_unavailable|worker_lost|disk_full)$/

/** Skipped where this machine lets nobody mount a disk of memory. */
export async function fullDisk({
  seed,
  expected,
  say,
}: {
  seed: number
  expected: Expected
  say(line: string): void
}): Promise<Report> {
  const scenario = 'full disk'
  const disk = mkdtempSync(join(tmpdir(), 'gavel-chaos-disk-'))
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${MEGABYTES}m`, 'tmpfs', disk]).status !== 0)
    return { scenario, figures: { skipped: 1 }, violations: [] }
  const figures = { 'times full': 0, 'reads refused': 0, 'resumed by hand': 0 }
  const violations: string[] = []
  const here = await Installation.start('split', { data: join(disk, 'data') })
  let over = false
  try {
    const ids = await createJobs(here.api, kindsOf(expected))
    const filling = fillNowAndThen(() => over)
    for (const [kind, id] of ids) {
      figures['resumed by hand'] += await seenThrough(here.api, id, ENDS_ATTEMPTS)
      violations.push(...(await differences(here.api, { id, name: `${scenario}, ${kind}`, expected: expected[kind]! })))
      say(`${scenario}: ${kind} is through, ${violations.length} violations`)
    }
    over = true
    await filling
  } catch (error) {
    violations.push(`${scenario}: ${(error as Error).stack ?? String(error)}`)
  } finally {
    over = true
    await here.close()
    spawnSync('umount', ['-l', disk])
    rmSync(disk, { recursive: true, force: true })
  }
  return { scenario, figures, violations }

  /** Full for some seconds, and then not. */
  async function fillNowAndThen(isOver: () => boolean): Promise<void> {
    const rng = new SeededRng(seed, 'full-disk')
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
