/** What the API itself costs: a judgment that is cached, over HTTP, beyond what a bare server and client take. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServer } from '../../src/server.ts'
import { median, type BenchRow, type BenchSuite } from '../row.ts'

const REQUESTS = 1000
const WARM_UP = 200
/** What the overhead of one cached judgment must stay below, in ms. */
const LIMIT_MS = 2

/** Items of one request, by row. */
const ITEMS: Record<string, number> = { 'cached-judgment': 1, 'cached-judgments-64': 64 }

export const apiSuite: BenchSuite = {
  rows: Object.keys(ITEMS),
  async *measure(rows, rounds) {
    for (const name of rows) {
      const oursAll: number[] = []
      for (let round = 0; round < rounds; round++) oursAll.push(await overhead(ITEMS[name]!))
      yield row(name, oursAll)
    }
  },
}

function row(name: string, oursAll: number[]): BenchRow {
  const ours = median(oursAll)
  const peerAll = oursAll.map(() => LIMIT_MS)
  return {
    name,
    ours,
    peer: LIMIT_MS,
    unit: 'ms overhead',
    ratio: LIMIT_MS / ours,
    peerName: 'the limit',
    oursAll,
    peerAll,
  }
}

/** Median round trip of a cached request less that of a server that answers the same bytes at once, in ms. */
async function overhead(count: number): Promise<number> {
  const dataDir = mkdtempSync(join(tmpdir(), 'gavel-bench-'))
  let asked = 0
  const provider = await listen((request, response) => {
    asked++
    request.resume()
    const top_logprobs = [
      { token: 'Yes', logprob: -0.1 },
      { token: 'No', logprob: -2.5 },
    ]
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ choices: [{ logprobs: { content: [{ ...top_logprobs[0], top_logprobs }] } }] }))
  })
  const api = await startServer({ dataDir, adminKey: 'admin', secretKey: null, allowPrivateUrls: true })
  const send = async (url: string, body: unknown) => {
    const headers = { authorization: 'Bearer admin', 'content-type': 'application/json' }
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
    const text = await response.text()
    if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`)
    return text
  }
  const items = Array.from({ length: count }, (_, i) => ({
    question: `A farmer has ${i} sheep and buys as many again, then sells three. How many are left? `.repeat(4),
    answer: `First ${i}+${i}=${2 * i}. Then ${2 * i}-3=${2 * i - 3}.\n#### ${2 * i - 3}`,
  }))
  await send(`${api.url}/v1/judges`, {
    name: 'j',
    provider: { type: 'openai', base_url: `${provider.url}/v1`, model: 'm' },
  })
  const judged = await send(`${api.url}/v1/judgments`, { judge: 'j', items })
  const bare = await listen((request, response) => {
    request.resume()
    request.on('end', () => response.setHeader('content-type', 'application/json').end(judged))
  })
  try {
    const before = asked
    const ours: number[] = []
    const floor: number[] = []
    for (let i = 0; i < WARM_UP + REQUESTS; i++) {
      ours.push(await timed(() => send(`${api.url}/v1/judgments`, { judge: 'j', items })))
      floor.push(await timed(() => send(bare.url, { judge: 'j', items })))
    }
    if (asked !== before) throw new Error('The provider was asked again: nothing was cached.')
    return median(ours.slice(WARM_UP)) - median(floor.slice(WARM_UP))
  } finally {
    await Promise.all([api.close(), provider.close(), bare.close()])
    rmSync(dataDir, { recursive: true })
  }
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await run()
  return performance.now() - started
}

async function listen(listener: RequestListener): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
