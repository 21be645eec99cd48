import assert from 'node:assert/strict'
import { ReadableStream as NodeStream } from 'node:stream/web'
import { test } from 'node:test'
import { serverSentEvents } from '../../src/core/server-sent-events.ts'

async function read(...chunks: (string | Uint8Array)[]) {
  const bytes = chunks.map((chunk) => (typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk))
  const events = []
  for await (const event of serverSentEvents(NodeStream.from(bytes) as unknown as ReadableStream<Uint8Array>))
    events.push(event)
  return events
}

test('an event is its id and its data', async () => {
  assert.deepEqual(await read('id: 7\nevent: job.event\ndata: {"a":1}\n\n'), [{ id: '7', data: '{"a":1}' }])
})

test('an id holds until the next one', async () => {
  assert.deepEqual(await read('id: 7\ndata: a\n\ndata: [DONE]\n\n'), [
    { id: '7', data: 'a' },
    { id: '7', data: '[DONE]' },
  ])
})

test('lines of data are joined; comments and empty events are left out', async () => {
  assert.deepEqual(await read(': still here\n\ndata: a\ndata:  b\ndata\n\n'), [{ id: undefined, data: 'a\n b\n' }])
})

test('every line ending is known, also when chunks cut it in two', async () => {
  for (const end of ['\n', '\r\n', '\r']) {
    const text = `id: 1${end}data: ä${end}${end}data: b${end}${end}:${end}`
    const bytes = new TextEncoder().encode(text)
    const single = [...bytes].map((byte) => new Uint8Array([byte]))
    for (const chunks of [[bytes], single]) {
      assert.deepEqual(await read(...chunks), [
        { id: '1', data: 'ä' },
        { id: '1', data: 'b' },
      ])
    }
  }
})

test('an event that was cut off is dropped', async () => {
  assert.deepEqual(await read('data: a\n\ndata: {"half'), [{ id: undefined, data: 'a' }])
})
