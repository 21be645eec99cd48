import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { s3Parts } from '../../src/adapters/cloudflare/s3-parts.ts'
import { s3BlobStore, type S3Options } from '../../src/adapters/node/s3-blob-store.ts'
import type { BlobStore } from '../../src/core/ports.ts'
import { NO_WEED, startSeaweed, weedBinary } from '../helpers/seaweed.ts'
import { abortAllContract, blobStoreContract } from './blob-store.ts'

const weed = weedBinary()

describe('s3BlobStore, against SeaweedFS', { skip: weed === null && NO_WEED }, () => {
  let s3: S3Options
  let stop: () => Promise<void>
  before(async () => {
    ;({ s3, stop } = await startSeaweed(weed!))
  })
  after(() => stop())

  let stores = 0
  const ours = () => s3BlobStore(s3)
  /** The same server by what a Cloudflare Worker has in place of the SDK. */
  const byHand = () => {
    const url = `${s3.endpoint}/${s3.bucket}`
    return { ...s3BlobStore(s3), parts: s3Parts({ ...s3, url }, 5 * 1024 ** 2, s3.region) }
  }
  for (const [name, make] of Object.entries({ ours, byHand })) {
    describe(name, () => {
      blobStoreContract(test, async () => below(make(), `store-${stores++}/`))
      abortAllContract(test, async () => below(make(), `store-${stores++}/`))
    })

    test(`${name}: a presigned part needs no credentials, and says its ETag`, async () => {
      const store = make()
      const key = `signed-parts-${name}`
      const upload = await store.parts.begin(key, 5 * 1024 ** 2)
      const url = (await store.parts.presign(key, upload, 1, 60))!
      const sent = await fetch(url, { method: 'PUT', body: 'hello' })
      assert.equal(sent.status, 200)
      await store.parts.finish(key, upload, [sent.headers.get('etag')!])
      assert.equal(new TextDecoder().decode((await store.get(key))!), 'hello')
      const other = url.replace('partNumber=1', 'partNumber=2')
      assert.equal((await fetch(other, { method: 'PUT', body: 'x' })).status, 403)
    })
  }

  test('presigned URLs read and write one object without credentials', async () => {
    const store = s3BlobStore(s3)
    const put = await fetch((await store.presign('signed', 'PUT', 60))!, { method: 'PUT', body: 'hello' })
    assert.equal(put.status, 200)
    const got = await fetch((await store.presign('signed', 'GET', 60))!)
    assert.equal(await got.text(), 'hello')
    const elsewhere = (await store.presign('signed', 'GET', 60))!.replace('/signed?', '/other?')
    assert.equal((await fetch(elsewhere)).status, 403)
  })

  test('wrong credentials and a missing bucket are said, not taken for a missing object', async () => {
    const wrong = s3BlobStore({ ...s3, secretAccessKey: 'wrong' })
    await assert.rejects(wrong.get('signed'), { code: 'storage_unavailable' })
    const nowhere = s3BlobStore({ ...s3, bucket: 'no-such-bucket' })
    await assert.rejects(nowhere.get('signed'), { code: 'storage_unavailable' })
  })
})

/** A store within a prefix, so that the tests do not see each other's objects. */
function below(store: BlobStore, prefix: string): BlobStore {
  const cut = <T extends { key: string }>(head: T): T => ({ ...head, key: head.key.slice(prefix.length) })
  return {
    get: (key) => store.get(prefix + key),
    stream: (key, from) => store.stream(prefix + key, from),
    head: async (key) => store.head(prefix + key).then((head) => head && cut(head)),
    put: (key, body, options) => store.put(prefix + key, body, options),
    delete: (key) => store.delete(prefix + key),
    list: async (start) => (await store.list(prefix + start)).map(cut),
    presign: (key, method, seconds) => store.presign(prefix + key, method, seconds),
    room: () => store.room(),
    sweep: () => store.sweep(),
    parts: {
      partBytes: store.parts.partBytes,
      begin: (key, size) => store.parts.begin(prefix + key, size),
      put: (key, upload, number, body) => store.parts.put(prefix + key, upload, number, body),
      presign: (key, upload, number, seconds) => store.parts.presign(prefix + key, upload, number, seconds),
      finish: (key, upload, etags) => store.parts.finish(prefix + key, upload, etags),
      abort: (key, upload) => store.parts.abort(prefix + key, upload),
      abortAll: (start, isOver = () => true) =>
        store.parts.abortAll(prefix + start, (key) => isOver(key.slice(prefix.length))),
    },
  }
}
