import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { folderBlobStore } from '../../../src/adapters/node/folder-blob-store.ts'
import { abortAllContract, blobStoreContract } from '../../contracts/blob-store.ts'

const root = mkdtempSync(join(tmpdir(), 'gavel-blobs-'))
after(() => rmSync(root, { recursive: true }))
const folder = () => mkdtempSync(join(root, 'store-'))

describe('folderBlobStore', () => {
  blobStoreContract(test, async () => folderBlobStore(folder()))
  abortAllContract(test, async () => folderBlobStore(folder()))

  test('refuses keys that lead elsewhere', async () => {
    const path = folder()
    const store = folderBlobStore(join(path, 'inside'))
    for (const key of [
      '../out',
      'a/../../out',
      '/etc/passwd',
      'a//b',
      './a',
      'a\\..\\b',
      'nul\0',
      '',
      '.unfinished/x',
    ]) {
      await assert.rejects(store.put(key, new Uint8Array(1)), { code: 'invalid_request' }, key)
      await assert.rejects(store.get(key), { code: 'invalid_request' }, key)
    }
    assert.ok(!existsSync(join(path, 'out')))
  })

  test('a sweep forgets what was left unfinished a day ago, and nothing that is under way', async () => {
    const path = folder()
    const store = folderBlobStore(path)
    await store.sweep()
    await store.put('kept', new Uint8Array(2))
    const upload = await store.parts.begin('large', 1024)
    const left = [join(path, '.unfinished', 'killed'), join(path, '.unfinished', 'parts', 'large', upload)]
    writeFileSync(left[0]!, 'half')
    await store.sweep()
    assert.deepEqual(left.map((file) => existsSync(file)), [true, true]) // prettier-ignore
    const before = Date.now() / 1000 - 25 * 3600
    for (const file of left) utimesSync(file, before, before)
    await store.sweep()
    assert.deepEqual(left.map((file) => existsSync(file)), [false, false]) // prettier-ignore
    assert.equal((await store.get('kept'))?.length, 2)
  })

  test('leaves no unfinished files behind', async () => {
    const path = folder()
    const store = folderBlobStore(path)
    await store.put('a', new Uint8Array(3), { ifAbsent: true })
    await store.put('a', new Uint8Array(3), { ifAbsent: true })
    const short = new Response(new Uint8Array(3)).body!
    await assert.rejects(store.put('b', { size: 5, body: short }), { code: 'invalid_request' })
    assert.deepEqual(readdirSync(join(path, '.unfinished')), [])
  })

  test('reports a full disk as such', { skip: !existsSync('/dev/full') && 'needs /dev/full' }, async () => {
    const { writeFile } = await import('node:fs/promises')
    const cause = await writeFile('/dev/full', 'x').catch((error: NodeJS.ErrnoException) => error)
    assert.equal((cause as NodeJS.ErrnoException).code, 'ENOSPC')
    const full = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(cause) })
    await assert.rejects(folderBlobStore(folder()).put('x', { size: 1, body: full }), { code: 'disk_full' })
  })
})
