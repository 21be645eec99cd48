/**
 * Kills at random moments, of the API, a worker, the process of a job, or all at once; and what the jobs leave is held
 * against what they leave where nothing happens: every byte of every checkpoint, every number, every sample, every event.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { all, type NewJob } from '../../src/client.ts'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { bringData, evalJob, grpoJob, ppoJob, remains, sftJob } from '../e2e/training-jobs.ts'
import { Installation, LAYOUTS, TARGETS, type Layout, type Target } from './installation.ts'
import type { Report } from './report.ts'

const JOBS = {
  grpo: grpoJob(),
  ppo: ppoJob(),
  sft: sftJob(),
  eval: evalJob(),
  lora: grpoJob({ lora: { rank: 4 }, reference_reset_every: 3, importance_cap: 2 }),
} satisfies Record<string, NewJob>
const KINDS = Object.keys(JOBS) as (keyof typeof JOBS)[]
/** Mean time between two kills of an installation. */
const MEAN_MS = 4_000
/** How an operator's patience ends. */
const MOST_MS = 20 * 60_000

type Left = Awaited<ReturnType<typeof remains>> & { events: string[] }

export interface KillOptions {
  seed: number
  kills: number
  layouts: readonly Layout[]
  /** Installations at once. */
  atOnce: number
  say(line: string): void
}

export async function kills(options: KillOptions): Promise<Report> {
  const { seed, say } = options
  const expected = await undisturbed()
  say('kills: what undisturbed runs leave is known')
  const totals: Record<string, number> = { jobs: 0, kills: 0, resumed_by_hand: 0, attempts: 0 }
  const violations: string[] = []
  let rounds = 0
  await Promise.all(
    Array.from({ length: options.atOnce }, async () => {
      while (totals.kills! < options.kills) {
        const number = rounds++
        const layout = options.layouts[number % options.layouts.length]!
        const name = `${layout}, round ${number} of seed ${seed}`
        try {
          await round(layout, new SeededRng(seed, 'kills', number))
        } catch (error) {
          violations.push(`${name}: ${(error as Error).stack ?? String(error)}`)
        }
        say(`kills: ${name}: ${totals.kills} kills, ${totals.jobs} jobs, ${violations.length} violations`)
      }
    }),
  )
  return { scenario: 'kills', figures: totals, violations }

  async function round(layout: Layout, rng: SeededRng): Promise<void> {
    const here = await Installation.start(layout)
    try {
      await bringData(here.api)
      const ids = new Map<keyof typeof JOBS, string>()
      for (const kind of KINDS) ids.set(kind, (await here.api.jobs.create(JOBS[kind])).id)
      let over = false
      const killing = killNowAndThen(here, rng, () => over)
      try {
        for (const [kind, id] of ids) await check(here, kind, await ended(here, id), name(layout, kind))
      } finally {
        over = true
        await killing
      }
    } finally {
      await here.close()
    }
  }

  async function killNowAndThen(here: Installation, rng: SeededRng, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await sleep(-MEAN_MS * Math.log(1 - rng.uniform()))
      const target: Target = TARGETS[Math.floor(rng.uniform() * TARGETS.length)]!
      const pick = Math.floor(rng.uniform() * 100)
      if (isOver()) return
      if (await here.kill(target, pick)) {
        totals.kills!++
        totals[`kills of ${target}`] = (totals[`kills of ${target}`] ?? 0) + 1
      }
    }
  }

  /** The job's id once it has succeeded. One that was given up, for it was killed too often in a row, is resumed. */
  async function ended({ api }: Installation, id: string): Promise<string> {
    const deadline = Date.now() + MOST_MS
    for (;;) {
      const job = await api.jobs.get(id).catch(() => null)
      if (job?.state === 'succeeded') return id
      if (job?.state === 'failed') {
        if (job.error?.code !== 'worker_lost' && !/killed by SIGKILL/.test(job.error?.message ?? '')) {
          throw new Error(`${id} failed: ${JSON.stringify(job.error)}`)
        }
        totals.resumed_by_hand!++
        await api.jobs.resume(id).catch(() => null)
      }
      if (Date.now() > deadline) throw new Error(`${id} is ${job?.state} after ${MOST_MS / 60_000} minutes`)
      await sleep(500)
    }
  }

  async function check(here: Installation, kind: keyof typeof JOBS, id: string, name: string): Promise<void> {
    const left = await patiently(() => leftBy(here, id))
    const { attempt } = await patiently(() => here.api.jobs.get(id))
    totals.jobs!++
    totals.attempts! += attempt
    for (const part of Object.keys(left) as (keyof Left)[]) {
      if (isDeepStrictEqual(left[part], expected[kind][part])) continue
      violations.push(`${name}: ${part} differ:\n  expected ${brief(expected[kind][part])}\n  found    ${brief(left[part])}`)
    }
  }
}

const name = (layout: Layout, kind: string) => `${layout}, ${kind}`
const brief = (value: unknown) => JSON.stringify(value).slice(0, 2000)

async function undisturbed(): Promise<Record<keyof typeof JOBS, Left>> {
  const here = await Installation.start('split')
  try {
    await bringData(here.api)
    const left: Partial<Record<keyof typeof JOBS, Left>> = {}
    for (const kind of KINDS) left[kind] = await leftBy(here, (await here.api.jobs.create(JOBS[kind])).id)
    return left as Record<keyof typeof JOBS, Left>
  } finally {
    await here.close()
  }
}

/** What each attempt says anew, for it may be on another machine; and what is said of attempts. */
const OF_ATTEMPTS = /^(a checkpoint weighs|memory: |downloading |job is )/
/** Ids are drawn anew in every installation. */
const ID = /\b(judge|ckpt|job|ds|model)_\w{20,}/g

async function leftBy({ api }: Installation, id: string): Promise<Left> {
  const left = await remains(api, id)
  const events = (await all(api.jobs.events(id))).flatMap(({ level, message }) =>
    OF_ATTEMPTS.test(message) ? [] : [`${level}: ${message}`.replace(ID, '$1_…')],
  )
  return { ...left, events: events.sort() }
}

/** The API may be down at the moment: it comes back. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (tries === 20) throw error
      await sleep(500)
    }
  }
}

export const ALL_LAYOUTS = Object.keys(LAYOUTS) as Layout[]
