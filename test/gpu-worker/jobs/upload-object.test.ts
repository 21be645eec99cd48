import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { folderBlobStore } from '../../../src/adapters/node/folder-blob-store.ts'
import { sha256Hex } from '../../../src/core/sha256.ts'
import { readPart, uploadObject } from '../../../src/gpu-worker/jobs/upload-object.ts'
import { WorkerApi } from '../../../src/gpu-worker/jobs/worker-api.ts'
import { sftJob, studentAndData } from '../../contracts/api.ts'
import { appFetch } from '../../helpers/app-fetch.ts'
import { testApp, type TestApp } from '../../helpers/test-app.ts'

const PART = 1000
const BYTES = new TextEncoder().encode('0123456789abcdef'.repeat(400))

describe('uploadObject', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-upload-'))
  const path = join(folder, 'model.safetensors')
  let app: TestApp
  let key: string
  before(async () => {
    app = await testApp({ blobs: folderBlobStore(join(folder, 'store'), { partBytes: PART }) })
    writeFileSync(path, BYTES)
  })
  after(() => {
    app.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** A worker with a job, whose requests `fate` may spoil; the paths of what it asked. */
  async function worker(fate: (path: string, method: string) => Response | void) {
    const dataset = await studentAndData(app)
    await app.json('/v1/jobs', { json: sftJob(dataset) })
    const asked: string[] = []
    const fetch = appFetch(app, (path, { method = 'GET' }) => {
      asked.push(`${method} ${path}`)
      return fate(path, method)
    })
    const api = new WorkerApi({ url: 'http://gavel.test', key: 'admin-key', fetch, sleep: async () => {} })
    const leased = (await api.lease('w', 0, new AbortController().signal))!
    const object = { name: 'model.safetensors', size: BYTES.length, sha256: await sha256Hex(BYTES) }
    key = `tenants/default/jobs/${leased.id}/checkpoints/1/${leased.fence}/model.safetensors`
    const send = (signal: AbortSignal | null = null) => uploadObject(api, api.job(leased), 1, { object, path, signal })
    const end = () => api.job(leased).complete({})
    return { send, asked, end }
  }
  const unfinished = () =>
    readdirSync(join(folder, 'store/.unfinished'), { recursive: true, withFileTypes: true }).filter((e) => e.isFile())
  const stored = async () => ((await app.deps.blobs.get(key)) ? sha256Hex((await app.deps.blobs.get(key))!) : null)
  const ofPart = (number: number) => new RegExp(`^PUT .*part=${number}$`)

  test('sends again the parts that were lost, and only those', async () => {
    const fates = [() => new Response('busy', { status: 503 }), () => { throw new TypeError('fetch failed') }] // prettier-ignore
    const { send, asked, end } = await worker((path) => (/part=3$/.test(path) ? fates.shift()?.() : undefined))
    await send()
    assert.equal(await stored(), await sha256Hex(BYTES))
    for (const number of [1, 2, 3, 4, 5, 6, 7])
      assert.equal(asked.filter((what) => ofPart(number).test(what)).length, number === 3 ? 3 : 1)
    assert.equal(asked.filter((what) => what.endsWith('/uploads')).length, 1)
    await end()
  })

  test('begins anew where the places that it was given are over, and gives the first up', async () => {
    let refusals = 1
    const { send, asked, end } = await worker((path) =>
      /part=2$/.test(path) && refusals-- > 0 ? new Response('<Code>AccessDenied</Code>', { status: 403 }) : undefined,
    )
    await send()
    assert.equal(await stored(), await sha256Hex(BYTES))
    assert.equal(asked.filter((what) => what.endsWith('/uploads')).length, 2)
    assert.equal(asked.filter((what) => what.startsWith('DELETE')).length, 1)
    assert.deepEqual(unfinished(), [])
    await end()
  })

  test('fails where it is refused time and again, and leaves nothing', async () => {
    const { send, asked, end } = await worker((path) => (/part=2$/.test(path) ? new Response('no', { status: 403 }) : undefined)) // prettier-ignore
    await assert.rejects(send(), { code: 'invalid_request' })
    assert.equal(asked.filter((what) => what.endsWith('/uploads')).length, 2)
    assert.deepEqual([await stored(), unfinished()], [null, []])
    await end()
  })

  test('ends at once when it is told to', async () => {
    const stop = new AbortController()
    const { send, asked, end } = await worker((path) => (/part=1$/.test(path) ? stop.abort(new Error('cancelled')) : undefined)) // prettier-ignore
    await assert.rejects(send(stop.signal), /cancelled/)
    assert.ok(asked.filter((what) => what.startsWith('PUT')).length <= 4)
    await end()
  })

  test('reads any part of a file, from 4 GiB on as well', async () => {
    const large = join(folder, 'large')
    const file = openSync(large, 'w')
    const at = 2 ** 32 + 5
    // But for these bytes it is a hole, and takes no room.
    writeSync(file, Buffer.from('beyond'), 0, 6, at)
    closeSync(file)
    const text = async (from: number, size: number) => new TextDecoder().decode(await readPart(large, from, size))
    assert.deepEqual([await text(at, 6), await text(at + 2, 3)], ['beyond', 'yon'])
    await assert.rejects(readPart(large, at, 7), /ends before byte 4294967308/)
  })

  test('says so where something takes the ETag away', async () => {
    const { send, end } = await worker((_, method) => (method === 'PUT' ? Response.json({}) : undefined))
    await assert.rejects(send(), { code: 'storage_unavailable', message: /answered no ETag/ })
    await end()
  })
})
