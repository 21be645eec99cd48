import assert from 'node:assert/strict'
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { openModel } from '../../../src/gpu-worker/models/source.ts'
import { downloadModel, type HubOptions } from '../../../src/gpu-worker/weights/download-model.ts'
import { hubFromEnv } from '../../../src/gpu-worker/weights/hub-from-env.ts'
import { temporaryFolder, tinyModelFolder } from '../../../testing/tiny-model-folder.ts'
import { cacheLayout, LAYOUT_FILES } from '../../helpers/cache-layout.ts'
import { COMMIT, entryOf, LocalHub, REPO, sha256, TOKEN } from '../../helpers/local-hub.ts'

const source = { type: 'hub' as const, repo: REPO }
const hub = new LocalHub()
const endpoint = await hub.start()
after(() => hub.close())
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
  hub.breaks = { after: 0, times: 0 }
  hub.ranges = true
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

test('lays a repository out as huggingface_hub does', async () => {
  hub.files = LAYOUT_FILES
  const given = options()
  await downloadModel(source, given)
  const layout = new URL('../../fixtures/hub/layout.json', import.meta.url)
  assert.deepEqual(cacheLayout(given.cacheFolder, REPO), JSON.parse(readFileSync(layout, 'utf8')))
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

  const parts = [1, 2].map((i) => `quantised/x-0000${i}-of-00002.gguf`)
  for (const part of parts) hub.files.set(part, Buffer.from(part))
  const first = await downloadModel({ ...source, file: parts[0]! }, options())
  assert.equal(readFileSync(first.replace('-00001-', '-00002-'), 'utf8'), parts[1])
})

test('sends the token, and says what to do without one', async () => {
  hub.gated = true
  await assert.rejects(downloadModel(source, options()), {
    code: 'model_inaccessible',
    retryable: false,
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
  await assert.rejects(downloadModel(source, given), { retryable: true, message: /model\.safetensors arrived damaged/ })
  assert.deepEqual(readdirSync(join(given.cacheFolder, 'models--someone--tiny', 'blobs')), [])
})

test('goes on where a transfer broke, by itself and at the next call', async () => {
  const size = hub.files.get('model.safetensors')!.length
  const after = Math.floor(size / 5)
  hub.breaks = { after, times: 3 }
  const given = options()
  const parts = () => hub.requests.filter((r) => r.includes('model.safetensors')).map((r) => r.split(' ')[2])
  const folder = await downloadModel(source, given)
  // What was on its way when the connection broke may be lost.
  const starts = parts().map((part) => Number(/^bytes=(\d+)-$/.exec(part ?? 'bytes=0-')![1]))
  assert.equal(starts.length, 4)
  starts.slice(1).forEach((start, i) => assert.ok(start > starts[i]! && start <= (i + 1) * after, String(starts)))
  assert.ok(readFileSync(join(folder, 'model.safetensors')).equals(hub.files.get('model.safetensors')!))

  // A process that was killed left its part.
  const again = options()
  const blobs = join(again.cacheFolder, 'models--someone--tiny', 'blobs')
  mkdirSync(blobs, { recursive: true })
  const whole = hub.files.get('model.safetensors')!
  writeFileSync(join(blobs, `${sha256(whole)}.gavel.incomplete`), whole.subarray(0, 1000))
  hub.requests = []
  const told: number[] = []
  const onProgress: HubOptions['onProgress'] = ({ file, done }) => file === 'model.safetensors' && told.push(done)
  await downloadModel(source, { ...again, onProgress })
  assert.deepEqual(parts(), ['bytes=1000-'])
  assert.ok(told[0]! > 1000 && told.at(-1) === size)
})

test('starts over where the server knows no parts, and gives up where nothing more comes', async () => {
  hub.ranges = false
  hub.breaks = { after: 5000, times: 2 }
  const folder = await downloadModel(source, options())
  assert.ok(readFileSync(join(folder, 'model.safetensors')).equals(hub.files.get('model.safetensors')!))
  hub.breaks = { after: 0, times: 100 }
  await assert.rejects(downloadModel(source, options()), { code: 'model_download_failed' })
})

test('a damaged small file is found by its git hash', async () => {
  hub.damaged = Buffer.from('{}')
  hub.files = new Map([['model.safetensors', Buffer.from('{}')], ['config.json', Buffer.from('[]')]]) // prettier-ignore
  await assert.rejects(downloadModel(source, options()), { message: /config\.json arrived damaged/ })
})

test('uses what Python has put into the cache, by whichever hash', async () => {
  const given = options()
  const storage = join(given.cacheFolder, 'models--someone--tiny')
  mkdirSync(join(storage, 'blobs'), { recursive: true })
  for (const [path, bytes] of hub.files) {
    const entry = entryOf(path, bytes)
    writeFileSync(join(storage, 'blobs', entry.lfs?.oid ?? entry.oid), bytes)
  }
  await downloadModel(source, given)
  assert.deepEqual(hub.requests.filter((r) => r.includes('/resolve/')), []) // prettier-ignore
})

test('without the hub a cache with a shard missing does not do', async () => {
  const weights = hub.files.get('model.safetensors')!
  hub.files.delete('model.safetensors')
  const map = { weight_map: { x: 'model-1.safetensors', y: 'model-2.safetensors' } }
  hub.files.set('model.safetensors.index.json', Buffer.from(JSON.stringify(map)))
  hub.files.set('model-1.safetensors', weights)
  const given = options()
  await assert.rejects(downloadModel(source, given), {
    code: 'model_inaccessible',
    message: /has no file model-2\.safetensors/,
  })
  hub.files.set('model-2.safetensors', weights)
  await downloadModel(source, given)
  const offline = { ...given, offline: true }
  hub.requests = []
  const folder = await downloadModel(source, offline)
  assert.deepEqual(hub.requests, [])
  rmSync(join(folder, 'model-2.safetensors'))
  await assert.rejects(downloadModel(source, offline), { code: 'unavailable_here', message: /HF_HUB_OFFLINE is set/ })
})

test('reads the settings that huggingface_hub reads', () => {
  const home = temporaryFolder()
  writeFileSync(join(home, 'token'), 'hf_saved\n')
  const { cacheFolder, token, endpoint, offline } = hubFromEnv({ HF_HOME: home, HF_ENDPOINT: '' })
  assert.deepEqual([cacheFolder, token, endpoint, offline], [join(home, 'hub'), 'hf_saved', undefined, false])
  const env = { HF_HOME: home, HF_HUB_CACHE: '/cache', HF_TOKEN: 'hf_given', HF_ENDPOINT: 'http://mirror', HF_HUB_OFFLINE: '1' } // prettier-ignore
  assert.deepEqual(hubFromEnv(env), { endpoint: 'http://mirror', token: 'hf_given', cacheFolder: '/cache', offline: true }) // prettier-ignore
  assert.match(hubFromEnv({ XDG_CACHE_HOME: '/x' }).cacheFolder, /^\/x\/huggingface\/hub$/)
})

test('refuses models it could not read, and names that are none', async () => {
  await assert.rejects(downloadModel({ ...source, repo: 'someone/else' }, options()), {
    code: 'model_inaccessible',
    retryable: false,
    message: /no such model or revision/,
  })
  hub.files = new Map([
    ['a.gguf', Buffer.from('')],
    ['b.gguf', Buffer.from('')],
  ])
  await assert.rejects(downloadModel(source, options()), {
    code: 'unsupported_model',
    message: /name one of its GGUF files in `file`: a\.gguf, b\.gguf/,
  })
  await assert.rejects(downloadModel({ ...source, file: 'c.gguf' }, options()), { message: /has no file c\.gguf/ })
  hub.files = new Map([['pytorch_model.bin', Buffer.from('')]])
  await assert.rejects(downloadModel(source, options()), {
    code: 'unsupported_model',
    message: /has no model\.safetensors; choose a model with/,
  })
  for (const bad of [{ revision: '../../x' }, { file: '../x.gguf' }, { repo: '../x' }])
    await assert.rejects(downloadModel({ ...source, ...bad }, options()), { code: 'invalid_request' })
})
