import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { openModel } from '../../../src/gpu-worker/models/source.ts'
import { downloadModel, type HubOptions } from '../../../src/gpu-worker/weights/hub.ts'
import { temporaryFolder, tinyModelFolder } from '../../helpers/tiny-model-folder.ts'

const COMMIT = 'c'.repeat(40)
const TOKEN = 'hf_right'
const source = { type: 'hub' as const, repo: 'someone/tiny' }

/** A hub with one repository, speaking as much of its HTTP API as a download needs. */
class LocalHub {
  files = new Map<string, Buffer>()
  requests: string[] = []
  gated = false
  /** Sent instead of a file's own bytes. */
  damaged: Buffer | null = null
  readonly server: Server = createServer((request, response) => {
    const url = new URL(request.url!, 'http://hub')
    this.requests.push(url.pathname)
    const send = (status: number, body: object | Buffer, headers: Record<string, string> = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(Buffer.isBuffer(body) ? body : JSON.stringify(body))
    }
    if (this.gated && request.headers.authorization !== `Bearer ${TOKEN}`) return send(401, { error: 'gated' })
    if (url.pathname === '/api/models/someone/tiny/revision/main')
      return send(200, { _id: '1', id: 'someone/tiny', sha: COMMIT })
    if (url.pathname === `/api/models/someone/tiny/tree/${COMMIT}`)
      return send(
        200,
        [...this.files].map(([path, bytes]) => entryOf(path, bytes)),
      )
    const name = url.pathname.replace(`/someone/tiny/resolve/${COMMIT}/`, '')
    const bytes = this.files.get(name)
    if (!bytes) return send(404, { error: 'Repository not found' })
    const etag = { ETag: `"${sha256(bytes)}"` }
    if (request.headers.range === 'bytes=0-0')
      return send(206, bytes.subarray(0, 1), { ...etag, 'content-range': `bytes 0-0/${bytes.length}` })
    return send(200, this.damaged ?? bytes, { ...etag, 'content-type': 'application/octet-stream' })
  })
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** Large files are listed with their sha256, small ones with git's own hash. */
function entryOf(path: string, bytes: Buffer) {
  const gitHash = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
  const lfs = path.endsWith('.safetensors') || path.endsWith('.gguf')
  return {
    type: 'file',
    path,
    size: bytes.length,
    oid: gitHash,
    ...(lfs && { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 130 } }),
  }
}

const hub = new LocalHub()
await new Promise<void>((resolve) => hub.server.listen(0, '127.0.0.1', resolve))
after(() => hub.server.close())
const endpoint = `http://127.0.0.1:${(hub.server.address() as AddressInfo).port}`
const model = tinyModelFolder()
const options = (change: Partial<HubOptions> = {}): HubOptions => ({
  cacheFolder: temporaryFolder(),
  endpoint,
  ...change,
})

beforeEach(() => {
  hub.files = new Map(readdirSync(model).map((name) => [name, readFileSync(join(model, name))]))
  hub.files.set('README.md', Buffer.from('# Tiny'))
  hub.requests = []
  hub.gated = false
  hub.damaged = null
})

test('downloads the needed files into the layout that Python shares, telling how far it is', async () => {
  const told: string[] = []
  const given = options({ onProgress: ({ file, done, total }) => told.push(`${file} ${done}/${total}`) })
  const folder = await downloadModel(source, given)
  const storage = join(given.cacheFolder, 'models--someone--tiny')
  assert.equal(folder, join(storage, 'snapshots', COMMIT))
  assert.equal(readFileSync(join(storage, 'refs', 'main'), 'utf8'), COMMIT)
  assert.deepEqual(readdirSync(folder).sort(), readdirSync(model).sort())
  const link = join(folder, 'model.safetensors')
  assert.ok(lstatSync(link).isSymbolicLink())
  assert.equal(readlinkSync(link), `../../blobs/${sha256(hub.files.get('model.safetensors')!)}`)
  assert.equal(readdirSync(join(storage, 'blobs')).filter((name) => name.includes('incomplete')).length, 0)
  const size = hub.files.get('model.safetensors')!.length
  assert.ok(told.includes(`model.safetensors ${size}/${size}`))
})

test('opens what it downloaded, and downloads nothing twice', async () => {
  const given = { roots: [], hub: options() }
  const opened = await openModel(source, given)
  assert.equal(opened.describe, 'hf:someone/tiny')
  assert.equal(opened.model.vocabularySize, 1024)
  hub.requests = []
  await openModel(source, given)
  assert.deepEqual(
    hub.requests.filter((path) => path.includes('/resolve/')),
    [],
  )
})

test('works from the cache where the hub cannot be reached', async () => {
  const given = options()
  const folder = await downloadModel(source, given)
  const offline = { ...given, endpoint: 'http://127.0.0.1:9' }
  assert.equal(await downloadModel(source, offline), folder)
  await assert.rejects(downloadModel({ ...source, revision: 'other' }, offline), {
    code: 'model_download_failed',
    message:
      /someone\/tiny \(revision other\) could not be downloaded: check that http:\/\/127\.0\.0\.1:9 can be reached/,
  })
})

test('fetches the shards of an index, or one GGUF file', async () => {
  const weights = hub.files.get('model.safetensors')!
  hub.files.delete('model.safetensors')
  hub.files.set('model-1.safetensors', weights)
  hub.files.set('unrelated.safetensors', weights)
  hub.files.set(
    'model.safetensors.index.json',
    Buffer.from(JSON.stringify({ weight_map: { x: 'model-1.safetensors' } })),
  )
  hub.files.set('quantised/tiny.gguf', Buffer.from('GGUF'))
  const names = readdirSync(await downloadModel(source, options()))
  assert.ok(names.includes('model-1.safetensors') && !names.includes('unrelated.safetensors'))
  const file = await downloadModel({ ...source, file: 'quantised/tiny.gguf' }, options())
  assert.equal(readFileSync(file, 'utf8'), 'GGUF')
})

test('sends the token, and says what to do without one', async () => {
  hub.gated = true
  await assert.rejects(downloadModel(source, options()), {
    code: 'model_download_failed',
    message: /give a token in HF_TOKEN/,
  })
  await assert.rejects(downloadModel(source, options({ token: 'hf_wrong' })), {
    message: /has no access: accept the licence/,
  })
  await downloadModel(source, options({ token: TOKEN }))
})

test('refuses damaged files, and leaves nothing of them', async () => {
  const whole = hub.files.get('model.safetensors')!
  hub.damaged = Buffer.from(whole)
  hub.damaged[whole.length - 1]! ^= 1
  hub.files = new Map([...hub.files].filter(([name]) => name === 'model.safetensors'))
  const given = options()
  await assert.rejects(downloadModel(source, given), { message: /model\.safetensors arrived damaged or cut short/ })
  assert.deepEqual(readdirSync(join(given.cacheFolder, 'models--someone--tiny', 'blobs')), [])
})

test('refuses models it could not read, and names that are none', async () => {
  await assert.rejects(downloadModel({ ...source, repo: 'someone/else' }, options()), {
    message: /no such model or revision/,
  })
  hub.files = new Map([
    ['a.gguf', Buffer.from('')],
    ['b.gguf', Buffer.from('')],
  ])
  await assert.rejects(downloadModel(source, options()), {
    message: /name one of its GGUF files in `file`: a\.gguf, b\.gguf/,
  })
  await assert.rejects(downloadModel({ ...source, file: 'c.gguf' }, options()), { message: /has no file c\.gguf/ })
  hub.files = new Map([['pytorch_model.bin', Buffer.from('')]])
  await assert.rejects(downloadModel(source, options()), { message: /has no model\.safetensors; choose a model with/ })
  for (const bad of [{ revision: '../../x' }, { file: '../x.gguf' }, { repo: '../x' }])
    await assert.rejects(downloadModel({ ...source, ...bad }, options()), { code: 'invalid_request' })
})
