import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBytes } from '../../../src/routes/http/read-body.ts'
import { testApp } from '../../helpers/test-app.ts'

const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i % 251)
const sent = (body: BodyInit, headers: Record<string, string> = {}) =>
  new Request('http://x', { method: 'POST', body, headers, duplex: 'half' } as RequestInit)

test('a body is read whole up to its limit, whatever length was declared', async () => {
  const body = bytes(200_000)
  for (const declared of ['200000', '7', '', 'many'])
    assert.deepEqual(await readBytes(sent(body, declared === '' ? {} : { 'content-length': declared }), 200_000), body)
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
