import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { guardedFetch } from '../../../src/adapters/node/guarded-fetch.ts'

async function withServer(listener: RequestListener, run: (url: string) => Promise<void>): Promise<void> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  try {
    await run(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

describe('guardedFetch', () => {
  const open = guardedFetch(true)
  const closed = guardedFetch(false)

  test('sends and reads like fetch, where the operator allows private addresses', () =>
    withServer(
      (request, response) => {
        let body = ''
        request.on('data', (chunk) => (body += chunk))
        request.on('end', () => {
          response.writeHead(418, { 'x-seen': `${request.method} ${request.headers['x-mine']}` }).end(`got ${body}`)
        })
      },
      async (url) => {
        const response = await open(`${url}/a`, { method: 'POST', body: 'ü', headers: { 'x-mine': '1' } })
        assert.deepEqual([response.status, response.headers.get('x-seen')], [418, 'POST 1'])
        assert.equal(await response.text(), 'got ü')
      },
    ))

  test('does not follow redirects', () =>
    withServer(
      (_, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      (url) => assert.rejects(open(url), { code: 'judge_unreachable', message: /redirect/ }),
    ))

  test('is cut off by its signal, and tells of a refused connection', async () => {
    await withServer(
      () => {},
      (url) => assert.rejects(open(url, { signal: AbortSignal.timeout(50) })),
    )
    await assert.rejects(open('http://127.0.0.1:1/'), { code: 'ECONNREFUSED' })
  })

  test('reaches no private address, by number or by name', async () => {
    for (const url of ['https://127.0.0.1/', 'https://[::1]/', 'http://example.com/', 'https://localhost/']) {
      await assert.rejects(closed(url), { code: 'unprocessable' }, url)
    }
    // A name with a dot that resolvers answer with loopback: only the check at connect can see it.
    await assert.rejects(closed('https://localhost.localdomain./'), (error: Error & { code: string }) =>
      ['judge_unreachable', 'ENOTFOUND', 'EAI_AGAIN'].includes(error.code),
    )
  })
})
