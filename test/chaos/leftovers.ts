/** What the jobs of chaos leave, held against what they leave where nothing happens: every byte, number, sample and event. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { all, type Client, type NewJob } from '../../src/client.ts'
import { bringData, evalJob, grpoJob, ppoJob, remains, sftJob } from '../e2e/training-jobs.ts'
import { Installation } from './installation.ts'

const JOBS = {
  grpo: grpoJob(),
  ppo: ppoJob(),
  sft: sftJob(),
  eval: evalJob(),
  lora: grpoJob({ lora: { rank: 4 }, reference_reset_every: 3, importance_cap: 2 }),
} satisfies Record<string, NewJob>
export type Kind = keyof typeof JOBS
export const KINDS = Object.keys(JOBS) as Kind[]
/** How an operator's patience ends. */
const MOST_MS = 30 * 60_000

/** By kind of job, of those that a scenario runs. */
export type Expected = Partial<Record<Kind, Left>>

export type Left = Awaited<ReturnType<typeof remains>> & { events: string[] }

/** What undisturbed runs leave. */
export async function undisturbed(kinds: readonly Kind[] = KINDS): Promise<Expected> {
  const here = await Installation.start('split')
  try {
    const ids = await createJobs(here.api, kinds)
    const left: Expected = {}
    for (const [kind, id] of ids) left[kind] = await leftBy(here.api, id)
    return left
  } finally {
    await here.close()
  }
}

/** Data, models, a judge, and one job of each kind. */
export async function createJobs(api: Client, kinds: readonly Kind[] = KINDS): Promise<Map<Kind, string>> {
  await bringData(api)
  const ids = new Map<Kind, string>()
  for (const kind of kinds) ids.set(kind, (await api.jobs.create(JOBS[kind])).id)
  return ids
}

/**
 * Waits until a job has succeeded. One that was given up, for it was stopped too often in a row, is resumed.
 * @returns how often it was resumed
 */
export async function seenThrough(api: Client, id: string, mayFail: RegExp = /^never$/): Promise<number> {
  const deadline = Date.now() + MOST_MS
  let resumed = 0
  for (;;) {
    const job = await api.jobs.get(id).catch(() => null)
    if (job?.state === 'succeeded') return resumed
    if (job?.state === 'failed') {
      const { code = '', message = '' } = job.error ?? {}
      const wasKilled = code === 'worker_lost' || /killed by SIGKILL/.test(message) || mayFail.test(code)
      if (!wasKilled) throw new Error(`${id} failed: ${code}: ${message}`)
      resumed++
      await api.jobs.resume(id).catch(() => null)
    }
    if (Date.now() > deadline) throw new Error(`${id} is ${job?.state} after ${MOST_MS / 60_000} minutes`)
    await sleep(500)
  }
}

/** What of a job differs from what is expected of it; an event may be left out where `saysMore` knows why it came. */
export async function differences(
  api: Client,
  { id, name, expected, saysMore }: { id: string; name: string; expected: Left; saysMore?: RegExp },
): Promise<string[]> {
  const left = await patiently(() => leftBy(api, id))
  if (saysMore) left.events = left.events.filter((event) => !saysMore.test(event))
  return (Object.keys(left) as (keyof Left)[]).flatMap((part) =>
    isDeepStrictEqual(left[part], expected[part])
      ? []
      : [`${name}: ${part} differ:\n  expected ${brief(expected[part])}\n  found    ${brief(left[part])}`],
  )
}

const brief = (value: unknown) => JSON.stringify(value).slice(0, 2000)

/** What each attempt says anew, for it may be on another machine; and what is said of attempts. */
const OF_ATTEMPTS = /^(a checkpoint weighs|memory: |downloading |job is )/
/** Ids are drawn anew in every installation. */
const ID = /\b(judge|ckpt|job|ds|model)_\w{20,}/g

async function leftBy(api: Client, id: string): Promise<Left> {
  const left = await remains(api, id)
  const events = (await all(api.jobs.events(id))).flatMap(({ level, message }) =>
    OF_ATTEMPTS.test(message) ? [] : [`${level}: ${message}`.replace(ID, '$1_…')],
  )
  return { ...left, events: events.sort() }
}

/** The API may be down at the moment: it comes back. */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (tries === 20) throw error
      await sleep(500)
    }
  }
}

export const kindsOf = (expected: Expected) => Object.keys(expected) as Kind[]

export interface ScenarioOptions {
  seed: number
  expected: Expected
  say(line: string): void
}

/** Where stores and connections fail, a call that is refused again and again ends an attempt. */
export const ENDS_ATTEMPTS = /^(storage_unavailable|worker_lost|disk_full)$/

/**
 * Runs jobs through a scenario, compares what they leave, and closes the installation.
 * @param meanwhile what happens as long as they run; it ends soon after `isOver`
 * @param mayFail codes of errors with which a job may be given up, to be resumed; see {@link seenThrough}
 */
export async function runThrough(
  here: Installation,
  scenario: string,
  { expected, say }: ScenarioOptions,
  { meanwhile, mayFail }: { meanwhile?: (isOver: () => boolean) => Promise<void>; mayFail?: RegExp },
): Promise<{ violations: string[]; resumed: number }> {
  const violations: string[] = []
  let [resumed, over] = [0, false]
  let happening: Promise<void> | undefined
  try {
    const ids = await createJobs(here.api, kindsOf(expected))
    happening = meanwhile?.(() => over)
    for (const [kind, id] of ids) {
      resumed += await seenThrough(here.api, id, mayFail)
      violations.push(...(await differences(here.api, { id, name: `${scenario}, ${kind}`, expected: expected[kind]! })))
      say(`${scenario}: ${kind} is through, ${violations.length} violations`)
    }
  } catch (error) {
    violations.push(`${scenario}: ${(error as Error).stack ?? String(error)}`)
  } finally {
    over = true
    await happening
    await here.close()
  }
  return { violations, resumed }
}
