/** Ordinary work for a long time: what it costs must not grow. */
import { setTimeout as sleep } from 'node:timers/promises'
import { startProviderServer } from '../adapters/judges/provider-server.ts'
import { Installation } from './installation.ts'
import { createJobs, KINDS, seenThrough } from './leftovers.ts'
import type { Report } from './report.ts'

/** Clients at once, and how long each rests between two requests, in ms. */
const CLIENTS = 6
const REST_MS = 50
const LOOK_MS = 5_000
/** Growth of the API's memory over the second half, as a share, that is no leak but noise. */
const NOISE = 0.15

export async function soak({ minutes, say }: { minutes: number; say(line: string): void }): Promise<Report> {
  const here = await Installation.start('split')
  const provider = await startProviderServer()
  const violations: string[] = []
  const figures = { requests: 0, errors: 0, jobs: 0 }
  const memory: number[] = []
  const waits: number[] = []
  const end = Date.now() + minutes * 60_000
  const isOver = () => Date.now() > end
  try {
    const { api } = here
    const judge = { type: 'openai' as const, base_url: `${provider.url}/v1`, model: 'm', api_key: 'sk-soak' }
    const { id } = await api.judges.create({ name: 'remote', provider: judge })
    const work = async (client: number) => {
      for (let i = 0; !isOver(); i++) {
        const from = performance.now()
        try {
          const question = `What is ${i} + ${client}?`
          if (i % 3 === 0) await api.judge(id, [{ question, answer: `${i + client}` }])
          else if (i % 3 === 1) await api.verify({ verifier: 'math', items: [{ text: `#### ${i}`, gold: `${i}` }] })
          else await api.jobs.list({ limit: 5 }).next()
          figures.requests++
        } catch (error) {
          if (figures.errors++ < 5) violations.push(`a request failed: ${(error as Error).message}`)
        }
        waits.push(performance.now() - from)
        await sleep(REST_MS)
      }
    }
    const train = async () => {
      while (!isOver()) {
        for (const job of (await createJobs(api)).values()) await seenThrough(api, job)
        figures.jobs += KINDS.length
      }
    }
    const look = async () => {
      while (!isOver()) {
        memory.push(here.memory())
        if (memory.length % 60 === 0) say(`soak: ${Math.round(memory.at(-1)! / 1e6)} MB, ${figures.requests} requests`)
        await sleep(LOOK_MS)
      }
    }
    await Promise.all([...Array.from({ length: CLIENTS }, (_, i) => work(i)), train(), look()])
    const megabytes = (from: number, to: number) => median(memory.slice(from, to)) / 1e6
    const quarter = Math.ceil(memory.length / 4)
    const [half, last] = [megabytes(2 * quarter, 3 * quarter), megabytes(memory.length - quarter, memory.length)]
    if (minutes >= 10 && last > half * (1 + NOISE)) violations.push(`memory grew from ${half.toFixed(0)} to ${last.toFixed(0)} MB in the second half`) // prettier-ignore
    waits.sort((a, b) => a - b)
    const p99 = Math.round(waits[Math.floor(waits.length * 0.99)] ?? 0)
    return { scenario: 'soak', figures: { ...figures, minutes, 'MB at half time': Math.round(half), 'MB at the end': Math.round(last), 'ms, 99 of 100': p99 }, violations } // prettier-ignore
  } finally {
    await here.close()
    await provider.close()
  }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN
