/** A provider that is down is left alone, and taken up again. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { CircuitBreaker } from '../../../src/adapters/judges/circuit-breaker.ts'
import { openaiJudgeClient } from '../../../src/adapters/judges/openai.ts'
import { GavelError } from '../../../src/core/errors.ts'

let status = 503
let asked = 0
const server = createServer((request, response) => {
  asked++
  request.resume()
  request.on('end', () => {
    const top_logprobs = [{ token: 'Yes', logprob: -0.1 }, { token: 'No', logprob: -2.4 }] // prettier-ignore
    const body =
      status === 200
        ? { choices: [{ logprobs: { content: [{ ...top_logprobs[0], top_logprobs }] } }] }
        : { error: { message: 'sk-1 is out of order' } }
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
})
let baseUrl: string
before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
})
after(() => void server.close())

function open(failures: number) {
  const clock = { time: 0, now: () => clock.time }
  const breaker = new CircuitBreaker({ clock, failures, openMs: 10_000 })
  const options = {
    baseUrl,
    model: 'm',
    api: 'chat' as const,
    apiKey: 'sk-1',
    timeoutMs: 5000,
    concurrency: 4,
    backoffMs: 1,
  }
  const client = openaiJudgeClient({ ...options, breaker })
  const ask = (items: number) => {
    const request = (i: number) => ({ messages: [{ role: 'user' as const, content: `q ${i}` }], labels: ['Yes', 'No'] })
    return client.firstTokenLogprobs(Array.from({ length: items }, (_, i) => request(i)))
  }
  return { clock, ask }
}

test('a dead provider costs a few calls, not four for each of a thousand items, and says when it is tried again', async () => {
  ;[status, asked] = [503, 0]
  const { ask } = open(9)
  const answers = await ask(1000)
  assert.equal(answers.length, 1000)
  assert.ok(asked >= 9 && asked <= 12, `${asked} calls`)
  const last = answers.at(-1) as GavelError
  assert.ok(last instanceof GavelError)
  assert.deepEqual([last.code, last.retryAfter], ['judge_unreachable', 10])
  assert.match(
    last.message,
    /left alone for now \(it answered 503: \[api_key\] is out of order\)\. It is tried again in 10 s/,
  )
})

test('one call finds out whether it is back, and then all go through', async () => {
  ;[status, asked] = [503, 0]
  const { ask, clock } = open(4)
  await ask(10)
  asked = 0
  await ask(10)
  assert.equal(asked, 0)
  status = 200
  clock.time = 10_000
  const [first, ...others] = await ask(10)
  assert.ok(!(first instanceof Error), String(first))
  assert.ok(others.every((answer) => !(answer instanceof Error) || answer.message.includes('left alone')))
  assert.ok((await ask(10)).every((answer) => !(answer instanceof Error)))
})

test('a refusal is no outage: the provider is there', async () => {
  ;[status, asked] = [401, 0]
  await open(4).ask(20)
  assert.equal(asked, 20)
})
