import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { fetchWithin, Silence } from '../../../src/gpu-worker/jobs/fetch-within.ts'

const SOON = { idleMs: 200, answerMs: 300 }

async function store(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}
const bytes = (size: number) => new Uint8Array(size).fill(7)

test('a store that never answers, or stops in the middle, is given up; one that is slow is not', async (t) => {
  const never = await store(t, () => {})
  await assert.rejects(fetchWithin(fetch, never, { headers: {} }, undefined, SOON), Silence)
  await assert.rejects(fetchWithin(fetch, never, { method: 'PUT', headers: {} }, bytes(10), SOON), Silence)
  // More than any buffer between here and there takes.
  await assert.rejects(fetchWithin(fetch, never, { method: 'PUT', headers: {} }, bytes(64_000_000), SOON), Silence)
  const stops = await store(t, (_, response) => void response.write('begin'))
  const broken = await fetchWithin(fetch, stops, { headers: {} }, undefined, SOON)
  await assert.rejects(broken.text(), Silence)
  const slow = await store(t, (_, response) => {
    let left = 8
    const timer = setInterval(() => (left-- > 0 ? response.write('x') : (clearInterval(timer), response.end())), 100)
  })
  assert.equal(await (await fetchWithin(fetch, slow, { headers: {} }, undefined, SOON)).text(), 'xxxxxxxx')
})

test('what is sent comes whole, with its length; a caller that stops is heard', async (t) => {
  let got: [string | undefined, string | undefined, number] | undefined
  const url = await store(t, (request, response) => {
    let size = 0
    request.on('data', (chunk: Buffer) => (size += chunk.length))
    request.on('end', () => {
      got = [request.headers['content-length'], request.headers['transfer-encoding'], size]
      response.end()
    })
  })
  for (const size of [0, 1, 65_536, 200_001]) {
    const answer = await fetchWithin(fetch, url, { method: 'PUT', headers: {} }, bytes(size))
    assert.deepEqual([answer.status, answer.url, got], [200, url, [String(size), undefined, size]])
  }
  const never = await store(t, () => {})
  const stop = AbortSignal.abort(new Error('cancelled'))
  await assert.rejects(fetchWithin(fetch, never, { headers: {}, signal: stop }), /cancelled/)
})
