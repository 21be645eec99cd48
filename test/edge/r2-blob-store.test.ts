import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { r2BlobStore } from '../../src/adapters/cloudflare/r2-blob-store.ts'
import { blobStoreContract } from '../contracts/blob-store.ts'
import { bindings, emptyBucket } from './edge-app.ts'

describe('r2BlobStore, in workerd', () => {
  blobStoreContract(test, emptyBucket)

  test('presigns where it has credentials, for one object, method and time', async () => {
    const url = 'https://account.r2.cloudflarestorage.com/gavel'
    const store = r2BlobStore(bindings.OBJECTS, { url, accessKeyId: 'id', secretAccessKey: 'secret' })
    const signed = new URL((await store.presign('a/b c.txt', 'PUT', 60))!)
    assert.equal(signed.origin + signed.pathname, `${url}/a/b%20c.txt`)
    assert.equal(signed.searchParams.get('X-Amz-Expires'), '60')
    assert.match(signed.searchParams.get('X-Amz-Signature')!, /^[0-9a-f]{64}$/)
    const other = new URL((await store.presign('a/b c.txt', 'GET', 60))!)
    assert.notEqual(other.searchParams.get('X-Amz-Signature'), signed.searchParams.get('X-Amz-Signature'))
    assert.equal(await r2BlobStore(bindings.OBJECTS, null).presign('a', 'GET', 60), null)
  })
})
