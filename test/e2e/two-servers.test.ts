/** Two API processes on one database: what a key may use is exact over both, and outlives a killed one. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

const KEY = 'gvl_key-of-the-operator'
const SERVER = fileURLToPath(new URL('../../src/server.ts', import.meta.url))

/** A provider that counts what it was asked, and whether an answer was given. */
async function provider(t: TestContext, delayMs = 5) {
  const asked: string[] = []
  let holds = false
  const held: (() => void)[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const { messages } = JSON.parse(body) as { messages: { content: string }[] }
      asked.push(/no\. \d+/.exec(messages.at(-1)!.content)?.[0] ?? '')
      const top_logprobs = [{ token: 'Yes', logprob: Math.log(0.75) }, { token: 'No', logprob: Math.log(0.25) }] // prettier-ignore
      const choices = [{ logprobs: { content: [{ ...top_logprobs[0], top_logprobs }] } }]
      const answer = () => response.setHeader('content-type', 'application/json').end(JSON.stringify({ choices, usage: { prompt_tokens: 9, completion_tokens: 1 } })) // prettier-ignore
      if (holds) held.push(answer)
      else setTimeout(answer, delayMs)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  return { url, asked, hold: (on: boolean) => void (holds = on) }
}

/** A server process on a folder. */
async function serverOn(t: TestContext, folder: string) {
  const child = spawn(process.execPath, [SERVER], {
    env: { ...process.env, GAVEL_DATA: folder, GAVEL_PORT: '0', GAVEL_API_KEY: KEY, GAVEL_ALLOW_PRIVATE_URLS: '1', GAVEL_LOG: 'errors' },
    stdio: ['ignore', 'pipe', 'inherit'],
  }) // prettier-ignore
  t.after(() => child.kill('SIGKILL'))
  let log = ''
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      log += chunk.toString()
      const found = /listens on (\S+)/.exec(log)?.[1]
      if (found) resolve(found)
    })
    child.once('exit', () => reject(new Error(`the server ended: ${log}`)))
  })
  const call = async (path: string, body?: object, key = KEY) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const response = await fetch(
      url + path,
      body ? { method: 'POST', headers, body: JSON.stringify(body) } : { headers },
    )
    // eslint-disable-next-line ts/no-explicit-any -- answers of every shape
    return { status: response.status, json: (await response.json()) as any }
  }
  const ended = new Promise((resolve) => child.once('exit', resolve))
  return { call, kill: () => (child.kill('SIGKILL'), ended) }
}

async function twoServers(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-two-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const judge = await provider(t)
  const first = await serverOn(t, folder)
  const second = await serverOn(t, folder)
  const made = { name: 'j', provider: { type: 'openai', base_url: judge.url, model: 'm' }, price: { input: 1e5, output: 1e5 }, probe: false } // prettier-ignore
  await first.call('/v1/judges', made)
  const key = async (budget: object) => (await first.call('/v1/keys', { scopes: ['judge'], budget })).json.key as string
  const item = (i: number) => ({ question: 'q', answer: `no. ${i}` })
  return { folder, judge, servers: [first, second] as const, key, item }
}

test('two processes race for one budget of items: all of it is had, and not one more', async (t) => {
  const { judge, servers, key, item } = await twoServers(t)
  const limited = await key({ items: 100, per: 'month' })
  const sizes = [1, 2, 3, 5, 7]
  let next = 0
  const statuses = new Map<number, number>()
  const client = async (server: (typeof servers)[number]) => {
    for (let i = 0; i < 20; i++) {
      const items = Array.from({ length: sizes[i % sizes.length]! }, () => item(next++))
      const { status } = await server.call('/v1/judgments', { judge: 'j', items }, limited)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  await Promise.all(servers.flatMap((server) => Array.from({ length: 4 }, () => client(server))))
  // What no batch fitted into any more, one at a time does.
  for (let i = 0; i < 10; i++)
    await servers[i % 2]!.call('/v1/judgments', { judge: 'j', items: [item(next++)] }, limited)
  assert.deepEqual([...statuses.keys()].sort(), [200, 429])
  assert.equal(judge.asked.length, 100)
  const { data } = (await servers[1].call('/v1/usage', undefined, limited)).json
  assert.equal(
    data.reduce((sum: number, line: { items: number }) => sum + line.items, 0),
    100,
  )
  assert.equal(
    data.reduce((sum: number, line: { prompt_tokens: number }) => sum + line.prompt_tokens, 0),
    900,
  )
})

test('a budget of tokens is over by no more than what was under way when it ran out', async (t) => {
  const { judge, servers, key, item } = await twoServers(t)
  const limited = await key({ tokens: 300, per: 'month' })
  let next = 0
  const lanes = 3
  const client = async (server: (typeof servers)[number]) => {
    for (let i = 0; i < 15; i++) await server.call('/v1/judgments', { judge: 'j', items: [item(next++)] }, limited)
  }
  await Promise.all(servers.flatMap((server) => Array.from({ length: lanes }, () => client(server))))
  // Of ten tokens each: the thirtieth uses it up, and at most five others are under way then.
  assert.ok(judge.asked.length >= 30 && judge.asked.length <= 30 + 2 * lanes - 1, String(judge.asked.length))
})

test('a process that is killed loses no judgment that it had, nor what it cost; what it had reserved is held', async (t) => {
  const { folder, judge, servers, key, item } = await twoServers(t)
  const limited = await key({ items: 20, per: 'month' })
  const [first, second] = servers
  for (let i = 0; i < 3; i++) {
    const { status } = await first.call('/v1/judgments', { judge: 'j', items: [item(2 * i), item(2 * i + 1)] }, limited)
    assert.equal(status, 200)
  }
  judge.hold(true)
  const hanging = first
    .call('/v1/judgments', { judge: 'j', items: [item(6), item(7), item(8)] }, limited)
    .catch(() => null)
  while (judge.asked.length < 9) await new Promise((resolve) => setTimeout(resolve, 10))
  await first.kill()
  await hanging
  judge.hold(false)
  const items = Array.from({ length: 6 }, (_, i) => item(i))
  const again = await second.call('/v1/judgments', { judge: 'j', items }, limited)
  assert.ok(again.json.data.every((one: { cached: boolean }) => one.cached))
  assert.equal(judge.asked.length, 9)
  const spent = async () => (await second.call('/v1/usage', undefined, limited)).json.data[0]
  assert.deepEqual([(await spent()).prompt_tokens, Math.round((await spent()).cost * 1e9)], [54, 6e9])
  const third = await serverOn(t, folder)
  // Six are used, and three are still held: 11 are left of 20.
  const fresh = (from: number, count: number) => Array.from({ length: count }, (_, i) => item(from + i))
  assert.equal((await third.call('/v1/judgments', { judge: 'j', items: fresh(100, 12) }, limited)).status, 429)
  assert.equal((await second.call('/v1/judgments', { judge: 'j', items: fresh(100, 11) }, limited)).status, 200)
})
