/** Kills at random moments, of the API, a worker, the process of a job, or all at once. */
import { setTimeout as sleep } from 'node:timers/promises'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { Installation, LAYOUTS, TARGETS, type Layout, type Target } from './installation.ts'
import { createJobs, differences, patiently, seenThrough, kindsOf, type Expected } from './leftovers.ts'
import type { Report } from './report.ts'

/** Mean time between two kills of an installation. */
const MEAN_MS = 4_000
/** One blow in so many is none: a worker and its job are stopped for a while, mostly for longer than its lease. */
const FREEZE_EVERY = 12
const FREEZE_MS = { least: 2_000, most: 90_000 }

export interface KillOptions {
  seed: number
  kills: number
  layouts: readonly Layout[]
  /** What is killed; all kinds unless given. */
  targets?: readonly Target[]
  /** Installations at once. */
  atOnce: number
  expected: Expected
  say(line: string): void
}

export async function kills(options: KillOptions): Promise<Report> {
  const { seed, say, expected, targets = TARGETS } = options
  const figures = { kills: 0, freezes: 0, jobs: 0, attempts: 0, 'resumed by hand': 0, 'kills of api': 0, 'kills of worker': 0, 'kills of job': 0, 'kills of all': 0 } // prettier-ignore
  const violations: string[] = []
  let rounds = 0
  await Promise.all(
    Array.from({ length: options.atOnce }, async () => {
      while (figures.kills < options.kills) {
        const number = rounds++
        const layout = options.layouts[number % options.layouts.length]!
        const name = `${layout}, round ${number} of seed ${seed}`
        try {
          await round(layout, name, new SeededRng(seed, 'kills', number))
        } catch (error) {
          violations.push(`${name}: ${(error as Error).stack ?? String(error)}`)
        }
        say(`kills: ${name}: ${figures.kills} kills, ${figures.jobs} jobs, ${violations.length} violations`)
      }
    }),
  )
  return { scenario: 'kills', figures, violations }

  async function round(layout: Layout, name: string, rng: SeededRng): Promise<void> {
    const here = await Installation.start(layout)
    try {
      const ids = await createJobs(here.api, kindsOf(expected))
      let over = false
      const killing = killNowAndThen(here, rng, () => over)
      try {
        for (const id of ids.values()) figures['resumed by hand'] += await seenThrough(here.api, id)
      } finally {
        over = true
        await killing
      }
      for (const [kind, id] of ids) {
        violations.push(...(await differences(here.api, { id, name: `${name}, ${kind}`, expected: expected[kind]! })))
        figures.attempts += (await patiently(() => here.api.jobs.get(id))).attempt
        figures.jobs++
      }
    } finally {
      await here.close()
    }
  }

  async function killNowAndThen(here: Installation, rng: SeededRng, isOver: () => boolean): Promise<void> {
    for (;;) {
      await sleep(-MEAN_MS * Math.log(1 - rng.uniform()))
      if (isOver()) return
      if (!options.targets && rng.uniform() < 1 / FREEZE_EVERY) {
        const ms = FREEZE_MS.least + (FREEZE_MS.most - FREEZE_MS.least) * rng.uniform()
        if (await here.freeze(Math.floor(rng.uniform() * 100), ms)) figures.freezes++
        continue
      }
      const target = targets[Math.floor(rng.uniform() * targets.length)]!
      if (!(await here.kill(target, Math.floor(rng.uniform() * 100)))) continue
      figures.kills++
      figures[`kills of ${target}`]++
    }
  }
}

export const ALL_LAYOUTS = Object.keys(LAYOUTS) as Layout[]
