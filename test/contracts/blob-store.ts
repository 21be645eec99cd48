/** What every blob store must do. Run against each adapter by its own test file; also in workerd. */
import assert from 'node:assert/strict'
import type { BlobStore } from '../../src/core/ports.ts'
import { sha256Hex } from '../../src/core/sha256.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (data: Uint8Array | null) => data && new TextDecoder().decode(data)
const streamOf = (...chunks: Uint8Array[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })

/**
 * @param makeStore an empty store, or one with a prefix that nobody else uses
 * @param options.refusesTaken whether it makes parts an object only where there is none
 */
export function blobStoreContract(
  test: (name: string, run: () => Promise<void>) => unknown,
  makeStore: () => Promise<BlobStore>,
  { refusesTaken = false }: { refusesTaken?: boolean } = {},
): void {
  test('gives back what was put, and puts over it', async () => {
    const store = await makeStore()
    assert.equal(await store.put('a/b.txt', bytes('one')), true)
    assert.equal(text(await store.get('a/b.txt')), 'one')
    assert.deepEqual(await store.head('a/b.txt'), { key: 'a/b.txt', size: 3 })
    assert.equal(await store.put('a/b.txt', bytes('two!')), true)
    assert.equal(text(await store.get('a/b.txt')), 'two!')
  })

  test('says null of what is not there', async () => {
    const store = await makeStore()
    assert.equal(await store.get('missing'), null)
    assert.equal(await store.head('missing/too'), null)
    assert.equal(await store.stream('missing'), null)
    await store.delete('missing')
  })

  test('puts with ifAbsent once, whoever comes first', async () => {
    const store = await makeStore()
    const puts = [1, 2, 3, 4].map((i) => store.put('manifest.json', bytes(`from ${i}`), { ifAbsent: true }))
    const written = await Promise.all(puts)
    assert.equal(written.filter(Boolean).length, 1)
    assert.equal(text(await store.get('manifest.json')), `from ${written.indexOf(true) + 1}`)
    assert.equal(await store.put('manifest.json', bytes('late'), { ifAbsent: true }), false)
    assert.equal(text(await store.get('manifest.json')), `from ${written.indexOf(true) + 1}`)
  })

  test('streams in and out, also nothing and a megabyte', async () => {
    const store = await makeStore()
    const large = new Uint8Array(1 << 20).map((_, i) => i % 251)
    await store.put('large', {
      size: large.length,
      body: streamOf(large.subarray(0, 100_000), large.subarray(100_000)),
    })
    await store.put('empty', new Uint8Array())
    const out = (await store.stream('large'))!
    assert.equal(out.size, large.length)
    assert.deepEqual(new Uint8Array(await new Response(out.body as BodyInit).arrayBuffer()), large)
    assert.deepEqual(await store.head('empty'), { key: 'empty', size: 0 })
    assert.equal((await store.get('empty'))!.length, 0)
  })

  test('stores nothing of a stream that breaks off', async () => {
    const store = await makeStore()
    const broken = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytes('half')),
      pull: (controller) => controller.error(new Error('the sender went away')),
    })
    await assert.rejects(store.put('broken', { size: 8, body: broken }))
    assert.equal(await store.head('broken'), null)
  })

  test('deletes, and lists by prefix in lexical order', async () => {
    const store = await makeStore()
    for (const key of ['t/b', 't/a/2', 't/a/10', 'u/x']) await store.put(key, bytes(key))
    const keys = async (prefix: string) => (await store.list(prefix)).map((head) => head.key)
    assert.deepEqual(await keys('t/'), ['t/a/10', 't/a/2', 't/b'])
    assert.deepEqual(await keys('t/a/1'), ['t/a/10'])
    assert.deepEqual((await store.list('t/b'))[0], { key: 't/b', size: 3 })
    await store.delete('t/a/2')
    assert.deepEqual(await keys('t/'), ['t/a/10', 't/b'])
    assert.deepEqual(await keys('none/'), [])
  })

  test('streams from any byte on', async () => {
    const store = await makeStore()
    await store.put('digits', bytes('0123456789'))
    const from = async (start: number) => {
      const { size, body } = (await store.stream('digits', start))!
      return [size, await new Response(body as BodyInit).text()]
    }
    assert.deepEqual(await from(4), [10, '456789'])
    assert.deepEqual(await from(0), [10, '0123456789'])
    assert.equal(await store.stream('missing', 3), null)
  })

  test('puts parts together in their order, however they came, and each again where it was lost', async () => {
    const store = await makeStore()
    const { parts } = store
    const whole = pattern(PART + 12_345)
    const upload = await parts.begin('in/parts', PART)
    const put = (number: number) => {
      const part = whole.subarray((number - 1) * PART, number * PART)
      return parts.put('in/parts', upload, number, { size: part.length, body: streamOf(part) })
    }
    const etags = ['', '']
    for (const number of [2, 1, 1]) etags[number - 1] = await put(number)
    assert.equal(await store.head('in/parts'), null)
    assert.deepEqual(await store.list(''), [])
    await parts.finish('in/parts', upload, etags)
    assert.deepEqual(await store.head('in/parts'), { key: 'in/parts', size: whole.length })
    assert.equal(await sha256Hex((await store.get('in/parts'))!), await sha256Hex(whole))
    // Where the answer was lost: some servers know that it was done, the others say that it is over, or that there is one.
    await parts
      .finish('in/parts', upload, etags)
      .catch(({ code }: { code: string }) => assert.match(code, /^(invalid_request|conflict)$/))
    await parts.abort('in/parts', upload)
    assert.equal((await store.head('in/parts'))!.size, whole.length)
  })

  test(`makes parts an object, and ${refusesTaken ? 'none' : 'another'} where there is one`, async () => {
    const store = await makeStore()
    const { parts } = store
    const begin = async (byte: number) => {
      const upload = await parts.begin('taken', PART)
      const etag = await parts.put('taken', upload, 1, { size: 3, body: streamOf(new Uint8Array(3).fill(byte)) })
      return () => parts.finish('taken', upload, [etag])
    }
    const [first, second] = [await begin(1), await begin(2)]
    await first()
    if (refusesTaken) await assert.rejects(second(), { code: 'conflict' })
    else await second()
    assert.equal((await store.get('taken'))![0], refusesTaken ? 1 : 2)
  })

  test('makes no object of parts that are missing, cut short or not those that were sent', async () => {
    const store = await makeStore()
    const { parts } = store
    const upload = await parts.begin('p', PART)
    const put = (number: number, size: number, sent = size) =>
      parts.put('p', upload, number, { size, body: streamOf(new Uint8Array(sent).fill(number)) })
    const [first, second] = [await put(1, PART), await put(2, 10)]
    await assert.rejects(put(3, 10, 9))
    await assert.rejects(put(3, 10, 11))
    for (const wrong of [
      [second, first],
      [first, 'another'],
    ])
      await assert.rejects(parts.finish('p', upload, wrong), { code: 'invalid_request' }, `${wrong}`)
    assert.equal(await store.head('p'), null)
    await parts.finish('p', upload, [first, second])
    assert.equal((await store.head('p'))!.size, PART + 10)
  })

  test('an upload that is ended leaves nothing, and takes nothing more', async () => {
    const store = await makeStore()
    const { parts } = store
    const upload = await parts.begin('gone', PART)
    const part = () => ({ size: 10, body: streamOf(new Uint8Array(10)) })
    const etag = await parts.put('gone', upload, 1, part())
    await parts.abort('gone', upload)
    await parts.abort('gone', upload)
    await assert.rejects(parts.put('gone', upload, 1, part()), { code: 'invalid_request' })
    await assert.rejects(parts.finish('gone', upload, [etag]), { code: 'invalid_request' })
    assert.deepEqual(await store.list(''), [])
  })

  test('says what it takes', async () => {
    const { objectBytes, freeBytes } = await (await makeStore()).room()
    assert.ok(objectBytes > 5 * 1024 ** 3)
    assert.ok(freeBytes === null || freeBytes > 0)
  })
}

/** Ends all uploads below a prefix: of stores that can list them. */
export function abortAllContract(
  test: (name: string, run: () => Promise<void>) => unknown,
  makeStore: () => Promise<BlobStore>,
): void {
  test('ends all uploads below a prefix that are over, and no other', async () => {
    const { parts } = await makeStore()
    const keys = ['jobs/a/x', 'jobs/a/y', 'jobs/b/x']
    const uploads = await Promise.all(keys.map((key) => parts.begin(key, PART)))
    const put = (i: number) => parts.put(keys[i]!, uploads[i]!, 1, { size: 1, body: streamOf(new Uint8Array(1)) })
    for (const i of [0, 1, 2]) await put(i)
    await parts.abortAll('jobs/a/', (key) => key !== 'jobs/a/y')
    await put(1)
    await parts.abortAll('jobs/a/')
    await assert.rejects(put(0), { code: 'invalid_request' })
    await assert.rejects(put(1), { code: 'invalid_request' })
    const etag = await put(2)
    await parts.finish(keys[2]!, uploads[2]!, [etag])
    await parts.abortAll('')
  })
}

/** Bytes that are nowhere alike for long, and made fast. */
function pattern(size: number): Uint8Array {
  const block = new Uint8Array(4099).map((_, i) => (i * i) % 251)
  const whole = new Uint8Array(size)
  for (let at = 0; at < size; at += block.length) whole.set(block.subarray(0, size - at), at)
  return whole
}

/** Smallest part that S3 takes, but for the last. */
const PART = 5 * 1024 ** 2
