import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request as httpRequest } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { after, before, describe, test } from 'node:test'
import { optionsFromEnv, startServer, type RunningServer } from '../src/server.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'gavel-server-'))
const start = () => startServer({ dataDir, adminKey: 'admin', secretKey: 's'.repeat(32), allowPrivateUrls: true })
const headers = { authorization: 'Bearer admin', 'content-type': 'application/json' }

describe('startServer', () => {
  let server: RunningServer
  before(async () => {
    server = await start()
  })
  after(async () => {
    await server.close()
    rmSync(dataDir, { recursive: true })
  })
  const post = (path: string, body: unknown) =>
    fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) })

  test('keeps what it was told across a restart', async () => {
    await post('/v1/models', { name: 'kept', source: { type: 'hub', repo: 'a/b' } })
    await server.close()
    server = await start()
    assert.equal((await fetch(`${server.url}/v1/models/kept`, { headers })).status, 200)
  })

  test('what was used is written down before the process ends, and metrics begin anew', async () => {
    const body = { verifier: 'math', items: [{ text: '5', gold: '5' }, { text: '6', gold: '5' }] } // prettier-ignore
    assert.equal((await post('/v1/verify', body)).status, 200)
    await server.close()
    server = await start()
    const usage = (await (await fetch(`${server.url}/v1/usage`, { headers })).json()) as { data: { items: number }[] }
    assert.equal(usage.data[0]!.items, 2)
    const metrics = await (await fetch(`${server.url}/metrics`, { headers })).text()
    assert.match(metrics, /^gavel_verified_items_total 0$/m)
  })

  test('gives no job to a worker that has hung up while it waited', async () => {
    await post('/v1/models', { name: 'm', source: { type: 'hub', repo: 'a/b' } })
    const rows = '{"prompt":"1+1","completion":"2"}'
    const jsonl = { ...headers, 'content-type': 'application/jsonl' }
    await fetch(`${server.url}/v1/datasets?name=d`, { method: 'POST', headers: jsonl, body: rows })
    const lease = (wait: number, signal?: AbortSignal) =>
      fetch(`${server.url}/v1/worker/lease`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ worker: 'w', wait_seconds: wait }),
        ...(signal && { signal }),
      })
    const gone = new AbortController()
    const waiting = [1, 2, 3].map(() => assert.rejects(lease(30, gone.signal)))
    await new Promise((resolve) => setTimeout(resolve, 300))
    gone.abort()
    await Promise.all(waiting)
    const { id } = (await (
      await post('/v1/jobs', { type: 'sft', model: 'm', dataset: 'd', config: { steps: 1 } })
    ).json()) as { id: string }
    const { job } = (await (await lease(5)).json()) as { job: { id: string; attempt: number } }
    assert.deepEqual([job.id, job.attempt], [id, 1])
  })

  test('refuses TRACE and bodies that are too large in JSON, over a real connection', async () => {
    const trace = await new Promise<number>((resolve) => {
      httpRequest(`${server.url}/v1/jobs`, { method: 'TRACE' }, (response) => {
        response.resume()
        resolve(response.statusCode!)
      }).end()
    })
    assert.equal(trace, 405)
    const large = await post('/v1/judges', { name: 'x'.repeat(30 << 20) })
    assert.equal(large.status, 413)
    assert.equal(((await large.json()) as { error: { code: string } }).error.code, 'too_large')
  })

  test('outlives a client that hangs up in the middle of a body', async () => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.write(
      'POST /v1/datasets HTTP/1.1\r\nhost: x\r\nauthorization: Bearer admin\r\ncontent-length: 999\r\n\r\n{"prompt"',
    )
    await new Promise((resolve) => setTimeout(resolve, 50))
    socket.destroy()
    assert.equal((await fetch(`${server.url}/livez`)).status, 200)
  })

  test('asks a real endpoint, with the secret, through the guarded fetch', async () => {
    const seen: (string | undefined)[] = []
    const provider = createServer((request, response) => {
      seen.push(request.headers.authorization)
      const content = [
        {
          token: 'Yes',
          logprob: Math.log(0.75),
          top_logprobs: [
            { token: 'Yes', logprob: Math.log(0.75) },
            { token: 'No', logprob: Math.log(0.25) },
          ],
        },
      ]
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify({ choices: [{ logprobs: { content } }], usage: { prompt_tokens: 9, completion_tokens: 1 } }),
      )
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => provider.once('listening', resolve))
    const base_url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1`
    await post('/v1/judges', { name: 'j', provider: { type: 'openai', base_url, model: 'm', api_key: 'sk-1' } })
    const answer = await post('/v1/judgments', { judge: 'j', items: [{ question: 'q', answer: 'a' }] })
    const { data } = (await answer.json()) as { data: { outcome: string; reward: number }[] }
    assert.deepEqual(
      data.map(({ outcome, reward }) => [outcome, Math.round(reward * 1e9) / 1e9]),
      [['scored', 0.75]],
    )
    assert.deepEqual(seen, ['Bearer sk-1'])
    provider.closeAllConnections()
    provider.close()
  })

  test('the official OpenAI client reads lists to their end and errors as its own, with another base_url', async () => {
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'admin', maxRetries: 0 })
    for (const name of ['a', 'b', 'c']) await post('/v1/models', { name, source: { type: 'hub', repo: 'a/b' } })
    const names = new Set<string>()
    for await (const model of client.models.list()) names.add((model as unknown as { name: string }).name)
    assert.ok(['a', 'b', 'c'].every((name) => names.has(name)))
    const error = await client.models.retrieve('nobody').catch((error: unknown) => error)
    assert.ok(error instanceof OpenAI.NotFoundError)
    assert.deepEqual([error.code, error.param], ['not_found', 'id'])
    assert.match(error.requestID!, /^req_/)
  })

  test('a taken port is an error, not a silence', async () => {
    const port = Number(new URL(server.url).port)
    const other = { dataDir: join(dataDir, 'other'), adminKey: null, secretKey: null, port }
    await assert.rejects(startServer(other), { code: 'EADDRINUSE' })
  })
})

describe('optionsFromEnv', () => {
  test('names the variable that is wrong', () => {
    assert.throws(() => optionsFromEnv({ GAVEL_PORT: 'http' }), /GAVEL_PORT/)
    assert.throws(() => optionsFromEnv({ GAVEL_SECRET_KEY: 'short' }), /GAVEL_SECRET_KEY/)
    assert.throws(() => optionsFromEnv({ GAVEL_S3_BUCKET: 'b' }), /GAVEL_S3_ACCESS_KEY_ID/)
    assert.equal(optionsFromEnv({}).port, 8080)
  })
})
