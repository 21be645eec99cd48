import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { folderBlobStore } from '../../../src/adapters/node/folder-blob-store.ts'
import { serveObject } from '../../../src/routes/http/serve-object.ts'

test('an object is its bytes as a file to keep, or a redirect for an hour where the store has URLs of its own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-objects-'))
  const blobs = folderBlobStore(folder)
  await blobs.put('a/b', new TextEncoder().encode('hello'))
  const served = await serveObject(blobs, 'a/b', 'b.txt', 'text/plain')
  assert.equal(await served.text(), 'hello')
  const header = (response: Response, name: string) => response.headers.get(name)
  assert.deepEqual(['content-type', 'content-length', 'content-disposition', 'x-content-type-options'].map((name) => header(served, name)), ['text/plain', '5', 'attachment; filename="b.txt"', 'nosniff']) // prettier-ignore
  await assert.rejects(serveObject(blobs, 'a/c', 'c.txt', 'text/plain'), { code: 'not_found', param: 'name', message: /^c\.txt is gone/ }) // prettier-ignore

  const asked: unknown[] = []
  const signing = {
    ...blobs,
    presign: async (...call: unknown[]) => (asked.push(call), 'https://store.example/a/b?sig'),
  }
  const redirect = await serveObject(signing as typeof blobs, 'a/b', 'b.txt', 'text/plain')
  assert.deepEqual([redirect.status, header(redirect, 'location'), header(redirect, 'cache-control')], [302, 'https://store.example/a/b?sig', 'no-store']) // prettier-ignore
  assert.deepEqual(asked, [['a/b', 'GET', 3600]])
  rmSync(folder, { recursive: true })
})
