import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unlimited } from '../../../src/core/work-budget.ts'
import { readBytes as readWithin } from '../../../src/routes/http/read-body.ts'
import { testApp } from '../../helpers/test-app.ts'

const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i % 251)
const readBytes = (request: Request, most: number) => readWithin(request, most, unlimited())
const sent = (body: BodyInit, headers: Record<string, string> = {}) =>
  new Request('http://x', { method: 'POST', body, headers, duplex: 'half' } as RequestInit)

test('a body is read whole up to its limit, whatever length was declared', async () => {
  const body = bytes(200_000)
  const isBody = (read: Uint8Array) => Buffer.compare(read, body) === 0
  for (const declared of ['200000', '7', '', 'many', '-7', '1e9'])
    assert.ok(isBody(await readBytes(sent(body, declared === '' ? {} : { 'content-length': declared }), 200_000)))
  // As it comes, in pieces: what was read of it is kept while there is more room made for the rest.
  const pieces = Array.from({ length: 8 }, (_, i) => body.subarray(25_000 * i, 25_000 * (i + 1)))
  const inPieces = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    },
  })
  assert.ok(isBody(await readBytes(sent(inPieces), 200_000)))
  assert.equal((await readBytes(new Request('http://x'), 10)).length, 0)
  for (const headers of [{}, { 'content-length': '11' }, { 'content-length': '1' }] as Record<string, string>[])
    await assert.rejects(readBytes(sent(bytes(11), headers), 10), { code: 'too_large', param: 'body' })
  // What declares too much is not even read.
  await assert.rejects(readBytes(sent(bytes(1), { 'content-length': '11' }), 10), { code: 'too_large' })
})

test('what is no UTF-8 or no JSON is refused with the reason', async () => {
  const app = await testApp()
  const error = async (body: BodyInit) =>
    (await app.json('/v1/verify', { body, headers: { 'content-type': 'application/json' } }, 400)).error
  const broken = await error(new Uint8Array([0x22, 0xff, 0x22]))
  assert.deepEqual([broken.code, broken.param], ['malformed_json', 'body'])
  assert.match(broken.message, /not valid UTF-8/)
  const cut = await error('{"a":')
  assert.deepEqual([cut.code, cut.param], ['malformed_json', 'body'])
  assert.match(cut.message, /not valid JSON \(Unexpected end of JSON input\); mend it/)
  app.close()
})

test('a body is JSON, as it is: another type or coding is named and refused before it is read', async () => {
  const app = await testApp()
  const json = '{"verifier":"exact","items":[{"text":"a","gold":"a"}]}'
  const answered = async (headers: Record<string, string>) => {
    const response = await app.request('/v1/verify', { method: 'POST', body: new TextEncoder().encode(json), headers })
    const { error } = (await response.json()) as { error?: { code: string; param: string; message: string } }
    return [response.status, error?.code, error?.param, error?.message]
  }
  const taken = [200, undefined, undefined, undefined]
  for (const type of ['application/json', 'Application/JSON ; charset=utf-8', 'application/vnd.api+json'])
    assert.deepEqual(await answered({ 'content-type': type }), taken, type)
  assert.deepEqual(await answered({}), taken)
  for (const coding of ['identity', 'Identity'])
    assert.deepEqual(await answered({ 'content-encoding': coding }), taken, coding)
  assert.deepEqual(await answered({ 'content-type': 'text/csv; header=absent' }), [
    415,
    'unsupported_media_type',
    'Content-Type',
    'The body must be JSON, but came as text/csv. Send it with Content-Type: application/json.',
  ])
  assert.deepEqual(await answered({ 'content-encoding': 'br' }), [
    415,
    'unsupported_media_type',
    'Content-Encoding',
    'The body came encoded as br; send it as it is, without Content-Encoding.',
  ])
  app.close()
})

test('an empty body and one that is nested too deeply are told what they are', async () => {
  const app = await testApp()
  const error = async (body: string, status: number) =>
    (await app.json('/v1/verify', { body, headers: { 'content-type': 'application/json' } }, status)).error
  const empty = await error('', 400)
  assert.deepEqual([empty.code, empty.param, empty.message], ['malformed_json', 'body', 'The body is empty; send a JSON object.']) // prettier-ignore
  const deep = (levels: number) => `{"verifier":${'['.repeat(levels)}${']'.repeat(levels)}}`
  assert.equal((await error(deep(40), 422)).code, 'unprocessable')
  assert.equal((await error(deep(30), 400)).code, 'invalid_request')
  app.close()
})
