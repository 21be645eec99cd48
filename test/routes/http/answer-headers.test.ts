import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Hono } from 'hono'
import { answerHeaders } from '../../../src/routes/http/answer-headers.ts'
import type { AppEnv } from '../../../src/routes/http/app-env.ts'

const RATE = { 'ratelimit-policy': '"items";q=9;w=60', ratelimit: '"items";r=8;t=5' }
const app = new Hono<AppEnv>()
app.use(answerHeaders({ bytes: (count) => new Uint8Array(count).fill(7) }))
app.get('/limited', (c) => (c.set('rate', RATE), c.text(c.get('requestId'))))
app.get('/free', (c) => c.text(c.get('requestId')))

async function answered(path: string, id?: string) {
  const { headers, ...response } = await app.request(path, id === undefined ? {} : { headers: { 'x-request-id': id } })
  return { headers, ...response }
}

test('an answer has the id of its request: its own where it is one, else a new one', async () => {
  for (const id of ['a', 'trace-7_B', 'x'.repeat(128)])
    assert.equal((await answered('/free', id)).headers.get('x-request-id'), id)
  for (const id of [undefined, '', 'two words', 'x'.repeat(129)])
    assert.match((await answered('/free', id)).headers.get('x-request-id')!, /^req_\w{24}$/)
})

test('an answer tells how its key stands with its rate, where it has one', async () => {
  const of = async (path: string) => {
    const { headers } = await answered(path)
    return Object.keys(RATE).map((name) => headers.get(name))
  }
  assert.deepEqual(await of('/limited'), Object.values(RATE))
  assert.deepEqual(await of('/free'), [null, null])
})
