/** What every blob store must do. Run against each adapter by its own test file; also in workerd. */
import assert from 'node:assert/strict'
import type { BlobStore } from '../../src/core/ports.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (data: Uint8Array | null) => data && new TextDecoder().decode(data)
const streamOf = (...chunks: Uint8Array[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })

/** @param makeStore an empty store, or one with a prefix that nobody else uses */
export function blobStoreContract(
  test: (name: string, run: () => Promise<void>) => unknown,
  makeStore: () => Promise<BlobStore>,
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
}
