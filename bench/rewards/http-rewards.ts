/**
 * Rewards over HTTP from one Node process on one core: verified and cached ones in batches of 64, 200 clients of one
 * sample at once without an error, and 64 answers to a judge whose provider takes 100 ms.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { median, type BenchRow } from '../row.ts'

const SERVER = fileURLToPath(new URL('../../src/server.ts', import.meta.url))
const KEY = 'bench'
const BATCH = 64
/** Batches in flight at once. */
const CONNECTIONS = 2
const SECONDS = 5
const ONE_SAMPLE_CLIENTS = 200
const PROVIDER_MS = 100

interface Measured {
  perSecond: number
  p99: number
  slowJudge: number
}

/** What each figure must reach. */
const LIMITS = {
  'http-rewards': { figure: 'perSecond', limit: 5000, unit: 'rewards/s', better: 'higher' },
  'http-rewards-p99': { figure: 'p99', limit: 50, unit: 'ms', better: 'lower' },
  'judge-100ms': { figure: 'slowJudge', limit: 250, unit: 'ms for 64', better: 'lower' },
} as const satisfies Record<string, { figure: keyof Measured; limit: number; unit: string; better: string }>

export const HTTP_ROWS = Object.keys(LIMITS) as (keyof typeof LIMITS)[]

/** Rows read off the same processes. */
export async function httpRows(wanted: readonly (keyof typeof LIMITS)[], rounds: number): Promise<BenchRow[]> {
  const all: Measured[] = []
  for (let round = 0; round < rounds; round++) all.push(await measure())
  return wanted.map((name) => {
    const { figure, limit, unit, better } = LIMITS[name]
    const oursAll = all.map((measured) => measured[figure])
    const ours = median(oursAll)
    const ratio = better === 'higher' ? ours / limit : limit / ours
    return { name, ours, peer: limit, unit, ratio, peerName: 'the limit', oursAll, peerAll: oursAll.map(() => limit) }
  })
}

async function measure(): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-bench-'))
  const provider = await startProvider()
  const server = await startServer(folder)
  const post = async (path: string, body: unknown): Promise<unknown> => {
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
    const response = await fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    const text = await response.text()
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`)
    return JSON.parse(text)
  }
  try {
    await post('/v1/judges', { name: 'j', provider: { type: 'openai', base_url: provider.url, model: 'm' } })
    await post('/v1/recipes', { name: 'verified', lambda: 1, verifier: 'math' })
    await post('/v1/recipes', { name: 'judged', lambda: 0, mu: 1, judge: 'j' })

    provider.delayMs = PROVIDER_MS
    const slow: number[] = []
    for (let i = 0; i < 5; i++) slow.push(await timed(() => post('/v1/rewards', request('judged', 10_000 + i))))

    provider.delayMs = 0
    const batches = Array.from({ length: 32 }, (_, i) => request(i % 2 === 0 ? 'verified' : 'judged', i))
    for (const batch of batches) await post('/v1/rewards', batch)
    const asked = provider.asked
    const latencies: number[] = []
    const end = performance.now() + SECONDS * 1000
    let next = 0
    const started = performance.now()
    const client = async () => {
      while (performance.now() < end) {
        latencies.push(await timed(() => post('/v1/rewards', batches[next++ % batches.length])))
      }
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, client))
    const perSecond = (latencies.length * BATCH) / ((performance.now() - started) / 1000)
    if (provider.asked !== asked) throw new Error('The provider was asked again: nothing was cached.')

    // Clients of one sample, as OpenRLHF's rollouts are: what fails throws.
    const { items } = request('judged', 50_000)
    const one = async (i: number) => {
      const { prompt, completion, answer } = items[i % items.length]!
      await post('/compat/slime/judged', { prompt, response: `${completion} (${i})`, label: answer })
    }
    await Promise.all(Array.from({ length: ONE_SAMPLE_CLIENTS }, (_, i) => one(i)))

    const sorted = latencies.toSorted((a, b) => a - b)
    return { perSecond, p99: sorted[Math.floor(sorted.length * 0.99)]!, slowJudge: median(slow) }
  } finally {
    await server.close()
    provider.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A batch of worked answers, every third of them wrong. */
function request(reward: string, batch: number) {
  const items = Array.from({ length: BATCH }, (_, i) => {
    const n = batch * BATCH + i
    const [sheep, sold] = [20 + (n % 977), 3 + (n % 17)]
    return {
      prompt: `Problem ${n}. A farmer has ${sheep} sheep and buys as many again, then sells ${sold}. How many are left?`,
      completion:
        `He buys ${sheep} sheep, so he has ${sheep}+${sheep}=<<${sheep}+${sheep}=${2 * sheep}>>${2 * sheep} sheep. ` +
        `After selling ${sold} there are ${2 * sheep}-${sold}=${2 * sheep - sold} left.\n#### ${2 * sheep - sold + (n % 3 === 0 ? 1 : 0)}`,
      answer: String(2 * sheep - sold),
    }
  })
  return { reward, items }
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await run()
  return performance.now() - started
}

/** The API in a process of its own, on one core where the system can say so. */
async function startServer(dataDir: string): Promise<{ url: string; close(): Promise<void> }> {
  const pinned = spawnSync('taskset', ['--version']).status === 0 ? ['taskset', '--cpu-list', '0'] : []
  const [command, ...args] = [...pinned, process.execPath, SERVER]
  const env = {
    ...process.env,
    GAVEL_DATA: dataDir,
    GAVEL_PORT: '0',
    GAVEL_API_KEY: KEY,
    GAVEL_ALLOW_PRIVATE_URLS: '1',
  }
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const url = await new Promise<string>((resolve, reject) => {
    let printed = ''
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
      const found = /listens on (\S+)/.exec(printed)
      if (found) resolve(found[1]!)
    })
    child.once('exit', () => reject(new Error('The server ended before it was ready.')))
  })
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve())
        child.kill('SIGTERM')
      }),
  }
}

/** An OpenAI-compatible endpoint that answers every question alike. */
async function startProvider() {
  const top_logprobs = [
    { token: 'Yes', logprob: -0.1 },
    { token: 'No', logprob: -2.5 },
  ]
  const answer = JSON.stringify({ choices: [{ logprobs: { content: [{ ...top_logprobs[0], top_logprobs }] } }] })
  const provider = { url: '', delayMs: 0, asked: 0, close: () => server.close() }
  const server = createServer((request, response) => {
    provider.asked++
    request.resume()
    setTimeout(() => {
      response.setHeader('content-type', 'application/json')
      response.end(answer)
    }, provider.delayMs)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  provider.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  return provider
}
