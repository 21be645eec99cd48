/** Requests that mean ill, thousands of them, against a server with a job under way: none is a 500, and nothing falls silent. */
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { ROUTES } from '../../src/routes/app.ts'
import { HOSTILE_REQUESTS } from '../helpers/hostile-requests.ts'
import { Installation } from './installation.ts'
import { createJobs } from './leftovers.ts'
import type { Report } from './report.ts'

/** Requests at once. */
const AT_ONCE = 8
/** One in so many is one of the heaviest. */
const HEAVY_EVERY = 100
/** Longest that anybody else may wait, in ms. */
const SILENCE_MS = 1_000
const TYPES = ['application/json', 'application/json', 'application/jsonl', 'text/html', 'multipart/form-data', '']
const DEEP = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
/** What is put in place of something, as JSON. */
const ODD_VALUES = [
  'null', 'true', '-1', '0', '1e999', '-9e307', '9007199254740993', '0.1e-300', '""', '"\\u0000"', '"\\ud800"', '[]', '{}',
  '"\\u202eabc"', '"../../etc/passwd"', '"<script>alert(1)</script>"', '{"__proto__":{"admin":true}}',
  '"http://169.254.169.254/"', `"${'x'.repeat(200_001)}"`, `[${Array(5_000).fill('1').join()}]`, '[[[[[[[[[[]]]]]]]]]]', '"%00"',
] // prettier-ignore
const BROKEN_BODIES = [
  '',
  '{',
  'null',
  '[]',
  '"x"',
  '1e999',
  `{"a":${DEEP}}`,
  '\u0000',
  '{"a":1,"a":2}',
  ' '.repeat(1e6),
]
const ODD_IDS = ['x', '%00', '%ff', '..%2f..', "'; DROP TABLE jobs; --", '__proto__', '%F0%9F%92%A9', 'x'.repeat(4_000)]

interface Drawn {
  method: string
  path: string
  body: string | null
  type: string
  key: boolean
}

export async function hostile({ seed, requests }: { seed: number; requests: number }): Promise<Report> {
  const here = await Installation.start('split')
  const violations: string[] = []
  const statuses: Record<string, number> = {}
  let sent = 0
  try {
    await createJobs(here.api)
    const watched = watch(here, () => sent >= requests)
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (sent < requests) await send(draw(new SeededRng(seed, 'hostile', sent), sent++))
      }),
    )
    const waits = (await watched).sort((a, b) => a - b)
    const at = (share: number) => Math.round(waits[Math.floor((waits.length - 1) * share)]!)
    const slowest = at(1)
    if (slowest > SILENCE_MS) violations.push(`somebody else waited ${slowest} ms for an answer`)
    const figures = { requests: sent, ...statuses, 'ms others wait, median': at(0.5), 'ms, 99 of 100': at(0.99), 'ms at most': slowest, 'MB of the API': Math.round(here.memory() / 1e6) } // prettier-ignore
    return { scenario: 'hostile', figures, violations }
  } finally {
    await here.close()
  }

  async function send({ method, path, body, type, key }: Drawn): Promise<void> {
    const headers = { ...(type && { 'content-type': type }), ...(key && { authorization: `Bearer ${here.key}` }) }
    const what = `${method} ${path.slice(0, 200)} ${type} ${body?.slice(0, 300)}`
    try {
      const response = await fetch(here.url + path, { method, headers, body, signal: AbortSignal.timeout(120_000) })
      const text = path.endsWith('/stream') ? '' : await response.text()
      const kind = `${Math.floor(response.status / 100)}xx`
      statuses[kind] = (statuses[kind] ?? 0) + 1
      const fine = response.status < 500 || response.status === 503 || response.status === 507
      if (!fine || /\bat .*\.[jt]s:\d+/.test(text)) violations.push(`${response.status} ${what}: ${text.slice(0, 500)}`)
    } catch (error) {
      // Node gives connections up that send what is no HTTP, or more than it takes.
      statuses.closed = (statuses.closed ?? 0) + 1
      if ((error as Error).name === 'TimeoutError') violations.push(`no answer within two minutes: ${what}`)
    }
  }
}

/** How long small requests of somebody else take meanwhile, in ms. */
async function watch({ url, key }: Installation, isOver: () => boolean): Promise<number[]> {
  const waits: number[] = []
  while (!isOver()) {
    const from = performance.now()
    const headers = { authorization: `Bearer ${key}` }
    const status = await fetch(`${url}/v1/jobs?limit=1`, { headers }).then(
      async (response) => (await response.arrayBuffer(), response.status),
      () => 0,
    )
    waits.push(status === 200 ? performance.now() - from : Infinity)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return waits
}

function draw(rng: SeededRng, number: number): Drawn {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(rng.uniform() * list.length)]!
  if (number % HEAVY_EVERY === HEAVY_EVERY - 1) {
    const { path, body } = pick(HOSTILE_REQUESTS)
    return { method: 'POST', path, body: body(), type: 'application/json', key: true }
  }
  const route = pick(ROUTES)
  const id = pick(ODD_IDS)
  const path = route.path.replace(/:\w+(\{[^}]*\})?/g, () => id)
  const query = route.query && rng.uniform() < 0.5 ? `?${pick(['limit', 'after', 'order', 'x'])}=${pick(ODD_IDS)}` : ''
  const hasBody = route.method === 'POST' || route.method === 'PUT'
  const body = !hasBody ? null : rng.uniform() < 0.3 ? pick(BROKEN_BODIES) : mutated(route.example ?? {}, rng)
  return { method: route.method, path: path + query, body, type: hasBody ? pick(TYPES) : '', key: rng.uniform() < 0.9 }
}

/** The JSON of a body that would be taken, with one to three of its values replaced, doubled or gone. */
function mutated(example: unknown, rng: SeededRng): string {
  let text = JSON.stringify(example)
  const times = 1 + Math.floor(3 * rng.uniform())
  for (let i = 0; i < times; i++) {
    const places = [...text.matchAll(/(?<=[:[,])("(?:[^"\\]|\\.)*"|-?\d[\d.e+-]*|true|false|null)(?=[,}\]])/g)]
    const odd = ODD_VALUES[Math.floor(rng.uniform() * ODD_VALUES.length)]!
    const place = places[Math.floor(rng.uniform() * places.length)]
    if (!place) return `{"x":${odd}}`
    text = text.slice(0, place.index) + odd + text.slice(place.index + place[0].length)
  }
  return text
}
