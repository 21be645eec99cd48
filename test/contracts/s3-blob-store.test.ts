import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { s3BlobStore, type S3Options } from '../../src/adapters/node/s3-blob-store.ts'
import type { BlobStore } from '../../src/core/ports.ts'
import { NO_WEED, startSeaweed, weedBinary } from '../helpers/seaweed.ts'
import { blobStoreContract } from './blob-store.ts'

const weed = weedBinary()

describe('s3BlobStore, against SeaweedFS', { skip: weed === null && NO_WEED }, () => {
  let s3: S3Options
  let stop: () => Promise<void>
  before(async () => {
    ;({ s3, stop } = await startSeaweed(weed!))
  })
  after(() => stop())

  let stores = 0
  blobStoreContract(test, async () => below(s3BlobStore(s3), `store-${stores++}/`))

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
    stream: (key) => store.stream(prefix + key),
    head: async (key) => store.head(prefix + key).then((head) => head && cut(head)),
    put: (key, body, options) => store.put(prefix + key, body, options),
    delete: (key) => store.delete(prefix + key),
    list: async (start) => (await store.list(prefix + start)).map(cut),
    presign: (key, method, seconds) => store.presign(prefix + key, method, seconds),
  }
}
