/** What is stored of checkpoints: in parts, the ones that are kept, and nothing that nobody names. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, test } from 'node:test'
import { folderBlobStore } from '../../src/adapters/node/folder-blob-store.ts'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { sha256Hex } from '../../src/core/sha256.ts'
import { sweepObjects } from '../../src/service/jobs/collect.ts'
import { sftJob, studentAndData } from '../contracts/api.ts'
import { testApp, type TestApp } from '../helpers/test-app.ts'

const PART = 1000
const SEVEN_HOURS = 7 * 3600_000
const folders: string[] = []
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })))

let app: TestApp
let dataset: string
let folder: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gavel-storage-'))
  folders.push(folder)
  app = await testApp({ blobs: folderBlobStore(folder, { partBytes: PART }) })
  dataset = await studentAndData(app)
})

const keys = async (prefix = 'tenants/default/jobs/') => (await app.deps.blobs.list(prefix)).map(({ key }) => key)
const unfinished = () =>
  readdirSync(join(folder, '.unfinished'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())

/** A job that a worker holds. */
async function leased(more: object = {}) {
  const { id } = await app.json('/v1/jobs', { json: sftJob(dataset, more) })
  const { job } = await app.json('/v1/worker/lease', { json: { worker: 'w' } })
  assert.equal(job.id, id)
  return worker(id as string, job.fence as number)
}

function worker(id: string, fence: number) {
  const post = (what: string, json: object, status = 200) =>
    app.json(`/v1/worker/jobs/${id}/${what}`, { json: { fence, ...json } }, status)
  const send = async (url: string, bytes: Uint8Array<ArrayBuffer>, status = 200) => {
    const response = await app.request(url, {
      method: 'PUT',
      body: bytes,
      headers: { 'content-length': String(bytes.length) },
    })
    assert.equal(response.status, status, await response.clone().text())
    return response
  }
  const upload = async (step: number, files: Record<string, string>) => {
    const objects = []
    for (const [name, text] of Object.entries(files)) {
      const bytes = new TextEncoder().encode(text)
      const object = { name, size: bytes.length, sha256: await sha256Hex(bytes) }
      const { data } = await post('uploads', { step, objects: [object] })
      const [{ url, parts }] = data
      if (parts) {
        const etags = []
        for (const [i, part] of (parts.urls as string[]).entries())
          etags.push((await send(part, bytes.slice(i * parts.bytes, (i + 1) * parts.bytes))).headers.get('etag'))
        await post('uploads/finish', { step, object, upload: parts.upload, etags })
      } else await send(url, bytes)
      objects.push(object)
    }
    return objects
  }
  const commit = async (step: number, files: Record<string, string> = { 'model.safetensors': `weights ${step}` }) =>
    (await post('checkpoints', { step, manifest: { objects: await upload(step, files), state: {} } })).id as string
  const steps = async () =>
    (await app.json(`/v1/jobs/${id}/checkpoints`)).data.map(({ step }: { step: number }) => step)
  return { id, fence, post, send, upload, commit, steps, done: () => post('complete', {}) }
}

describe('a file that is larger than a part', () => {
  const text = 'abcdefg'.repeat(400)
  const object = async () => ({ name: 'model.safetensors', size: text.length, sha256: await sha256Hex(text) })

  test('is uploaded in parts, and is then one object', async () => {
    const { id, post, upload, fence } = await leased()
    const { data } = await post('uploads', { step: 1, objects: [await object(), { ...(await object()), name: 'b', size: PART }] }) // prettier-ignore
    const [large, small] = data
    assert.equal(large.url, undefined)
    assert.deepEqual([large.parts.bytes, large.parts.urls.length], [PART, 3])
    assert.match(small.url, /\/uploads\/\d+\/1\/b$/)
    const objects = await upload(2, { 'model.safetensors': text })
    const { id: checkpoint } = await post('checkpoints', { step: 2, manifest: { objects, state: {} } })
    const file = await app.request(`/v1/checkpoints/${checkpoint}/files/model.safetensors`)
    assert.equal(await file.text(), text)
    const key = `tenants/default/jobs/${id}/checkpoints/2/${fence}/model.safetensors`
    assert.equal((await app.deps.blobs.head(key))!.size, text.length)
  })

  test('is finished once more where the answer was lost, and not where a part is missing or wrong', async () => {
    const { post, send } = await leased()
    const { data } = await post('uploads', { step: 1, objects: [await object()] })
    const { upload, urls } = data[0].parts
    const bytes = new TextEncoder().encode(text)
    const finish = (etags: (string | null)[], status = 200) =>
      post('uploads/finish', { step: 1, object: { name: 'model.safetensors', size: text.length, sha256: '0'.repeat(64) }, upload, etags }, status) // prettier-ignore
    const etags = []
    for (const i of [0, 1]) etags[i] = (await send(urls[i], bytes.slice(i * PART, (i + 1) * PART))).headers.get('etag')
    assert.equal((await finish([...etags, '3-800'], 400)).error.param, 'etags')
    await send(urls[2], bytes.slice(0, PART + 1), 400)
    etags[2] = (await send(urls[2], bytes.slice(2 * PART))).headers.get('etag')
    assert.deepEqual(await finish(etags), { size: text.length })
    assert.deepEqual(await finish(etags), { size: text.length })
    for (const [query, param] of [[`?upload=${upload}`, 'part'], ['?upload=x&part=1', 'upload'], [`?upload=${upload}&part=0`, 'part'], [`?upload=${upload}&part=10001`, 'part']]) // prettier-ignore
      assert.equal((await app.json(urls[0].split('?')[0] + query, { method: 'PUT', body: 'x', headers: { 'content-length': '1' } }, 400)).error.param, param) // prettier-ignore
  })

  test('may be as large as 5 TB, in ten thousand parts; not many such at once', async () => {
    const { post } = await leased()
    const huge = { name: 'a', size: 5e12, sha256: '0'.repeat(64) }
    const { data } = await post('uploads', { step: 1, objects: [huge] })
    const { bytes, urls } = data[0].parts
    assert.deepEqual([bytes % 1024 ** 2, urls.length <= 10_000, bytes * urls.length >= 5e12], [0, true, true])
    const { error } = await post('uploads', { step: 1, objects: [huge, { ...huge, name: 'b' }] }, 422)
    assert.equal(error.param, 'objects')
    await post('uploads', { step: 1, objects: [{ ...huge, size: 5e12 + 1 }] }, 400)
  })

  test('that is given up leaves nothing', async () => {
    const { post, send, id, fence } = await leased()
    const { data } = await post('uploads', { step: 1, objects: [await object()] })
    const { upload, urls } = data[0].parts
    await send(urls[0], new Uint8Array(PART))
    assert.equal(unfinished().length, 1)
    const path = `/v1/worker/jobs/${id}/uploads/${fence}/1/model.safetensors?upload=${upload}`
    assert.deepEqual(await app.json(path, { method: 'DELETE' }), { aborted: true })
    assert.deepEqual(await app.json(path, { method: 'DELETE' }), { aborted: true })
    assert.equal(unfinished().length, 0)
    assert.equal((await send(urls[0], new Uint8Array(PART), 400)).status, 400)
    await app.json(path.replace(`/${fence}/1/`, `/${fence + 1}/1/`), { method: 'DELETE' }, 409)
  })
})

test('the rest of a file is served from any byte on', async () => {
  const { commit } = await leased()
  const id = await commit(1, { 'model.safetensors': '0123456789' })
  const get = async (range: string) => {
    const response = await app.request(`/v1/checkpoints/${id}/files/model.safetensors`, { headers: { range } })
    return [response.status, response.headers.get('content-range'), await response.text()]
  }
  assert.deepEqual(await get('bytes=4-'), [206, 'bytes 4-9/10', '456789'])
  assert.deepEqual(await get('bytes=0-'), [200, null, '0123456789'])
  assert.deepEqual(await get('bytes=10-'), [416, 'bytes */10', ''])
  for (const other of ['bytes=2-5', 'bytes=-3', 'items=4-', 'bytes=x-']) assert.deepEqual(await get(other), [200, null, '0123456789']) // prettier-ignore
})

describe('keep', () => {
  const config = (keep?: object) => ({
    config: {
      steps: 20,
      learning_rate: 0.001,
      batch_size: 2,
      max_tokens: 64,
      checkpoint_every: 2,
      ...(keep && { keep }),
    },
  })

  test('is the last five by itself; what is dropped leaves no object and an event', async () => {
    const { id, commit, steps } = await leased(config())
    const made: string[] = []
    for (const step of [2, 4, 6, 8, 10, 12, 14]) made.push(await commit(step))
    assert.deepEqual(await steps(), [14, 12, 10, 8, 6])
    const stored = new Set((await keys()).map((key) => Number(key.split('/')[5])))
    assert.deepEqual(
      [...stored].sort((a, b) => a - b),
      [6, 8, 10, 12, 14],
    )
    const { data } = await app.json(`/v1/jobs/${id}/events`)
    const said = data.filter(({ message }: { message: string }) => message.includes('dropped'))
    assert.deepEqual(said.map((event: { data: object }) => event.data), [
      { checkpoint: made[0], step: 2, bytes: 9 },
      { checkpoint: made[1], step: 4, bytes: 9 },
    ]) // prettier-ignore
    assert.equal(
      said[0].message,
      `checkpoint ${made[0]} of step 2 is dropped (keep: the last 5, and the best of the canary)`,
    )
    await app.json(`/v1/checkpoints/${made[0]}`, {}, 404)
  })

  test('spares the earliest of the best by the canary, and what something names', async () => {
    const { commit, steps, post } = await leased(config({ last: 1 }))
    const named: Record<number, (id: string) => Promise<unknown>> = {
      2: (id) => app.json('/v1/models', { json: { name: 'trained', source: { type: 'checkpoint', checkpoint: id } } }),
      8: (id) => app.json('/v1/jobs', { json: { type: 'eval', model: id, dataset: 'pairs', verifier: 'math', config: { max_new_tokens: 9 } } }), // prettier-ignore
    }
    for (const [step, gold] of [[2, 0.1], [4, 0.5], [6, 0.5], [8, 0.4], [10, 0.3], [12, 0.2]] as const) {
      await post('metrics', { data: [{ step, values: { 'canary/gold': gold } }] })
      await named[step]?.(await commit(step))
      if (!named[step]) await commit(step)
    } // prettier-ignore
    assert.deepEqual(await steps(), [12, 8, 4, 2])
    await app.json('/v1/models/trained', { method: 'DELETE' })
    await commit(14)
    assert.deepEqual(await steps(), [14, 8, 4])
  })

  test('spares the earliest of the smallest validation_loss, where that is what there is', async () => {
    const { id, commit, steps, post } = await leased(config({ last: 1 }))
    await post('metrics', { data: [{ step: 0, values: { validation_loss: 0.01 } }] })
    for (const [step, loss] of [[2, 3], [4, 1.5], [6, 1.5], [8, 2]] as const) {
      await post('metrics', { data: [{ step, values: { validation_loss: loss } }] })
      await commit(step)
    } // prettier-ignore
    assert.deepEqual(await steps(), [8, 4])
    const { data } = await app.json(`/v1/jobs/${id}/events`)
    assert.match(data.at(-1).message, /of step 6 is dropped \(keep: the last 1, and the best of validation_loss\)/)
  })

  test('takes any number, and leaves the best out where it is told to', async () => {
    for (const wrong of [{ last: 0 }, { last: 1.5 }, { lasts: 3 }, { best: 1 }, 3])
      await app
        .json('/v1/jobs', { json: sftJob(dataset, config(wrong as object)) }, 422)
        .catch(() => app.json('/v1/jobs', { json: sftJob(dataset, config(wrong as object)) }, 400))
    const { commit, steps, post } = await leased(config({ last: 2, best: false }))
    for (const step of [2, 4, 6, 8]) {
      await post('metrics', { data: [{ step, values: { 'canary/gold': 1 / step } }] })
      await commit(step)
    }
    assert.deepEqual(await steps(), [8, 6])
  })
})

describe('deleting', () => {
  const ended = async (job: Awaited<ReturnType<typeof leased>>) => {
    await job.done()
    return () => app.json(`/v1/jobs/${job.id}`, { method: 'DELETE' })
  }

  test('a job takes its checkpoints, objects and reports with it, but for what a model names; that goes with the model', async () => {
    const job = await leased()
    await job.post('samples', { data: [{ step: 1, index: 0, prompt: 'p', completion: 'c' }] })
    await job.post('metrics', { data: [{ step: 1, values: { loss: 1 } }] })
    const [first, second] = [await job.commit(1), await job.commit(2)]
    for (const name of ['a', 'b'])
      await app.json('/v1/models', { json: { name, source: { type: 'checkpoint', checkpoint: first } } })
    await (
      await ended(job)
    )()
    const { jobs } = app.deps.database
    for (const list of ['events', 'metrics', 'samples'] as const)
      assert.deepEqual((await jobs[list](job.id, { limit: 9 })).rows, [], list)
    await app.json(`/v1/checkpoints/${second}`, {}, 404)
    const left = ['manifest.json', 'model.safetensors'].map((name) => `tenants/default/jobs/${job.id}/checkpoints/1/${job.fence}/${name}`) // prettier-ignore
    assert.deepEqual(await keys(), left)
    await app.json('/v1/models/a', { method: 'DELETE' })
    assert.deepEqual(await keys(), left)
    await app.json('/v1/models/b', { method: 'DELETE' })
    assert.deepEqual(await keys(), [])
    await app.json(`/v1/checkpoints/${first}`, {}, 404)
  })

  test('leaves a checkpoint to a job that names it, or that asks a judge made of it, until that is deleted, too', async () => {
    const job = await leased()
    const [first, second] = [await job.commit(1), await job.commit(2)]
    await app.json('/v1/models', { json: { name: 'judge-model', source: { type: 'checkpoint', checkpoint: first } } })
    await app.json('/v1/judges', { json: { name: 'j', provider: { type: 'local', model: 'judge-model' } } })
    const evaluation = { type: 'eval', model: second, dataset, verifier: 'math', config: { max_new_tokens: 9 } }
    const evaluating = await app.json('/v1/jobs', { json: evaluation })
    await (
      await ended(job)
    )()
    assert.equal((await keys()).length, 4)
    await app.json('/v1/models/judge-model', { method: 'DELETE' })
    assert.equal((await keys()).length, 2)
    await app.json(`/v1/jobs/${evaluating.id}/cancel`, { method: 'POST' })
    await app.json(`/v1/jobs/${evaluating.id}`, { method: 'DELETE' })
    assert.deepEqual(await keys(), [])
  })

  test('is gone on with where it broke off, and what a lost worker still sends is collected', async () => {
    const job = await leased()
    await job.commit(1)
    const remove = await ended(job)
    const { blobs } = app.deps
    const list = blobs.list
    blobs.list = () => Promise.reject(new Error('the store is away'))
    await assert.rejects(remove())
    blobs.list = list
    assert.equal((await keys()).length, 2)
    await sweepObjects(app.deps)
    assert.deepEqual(await keys(), [])

    const { parts } = blobs
    const abortAll = parts.abortAll
    app.errors.length = 0
    parts.abortAll = () => Promise.reject(new Error('it may not list uploads'))
    const plain = await leased()
    await plain.commit(1)
    await (
      await ended(plain)
    )()
    assert.deepEqual([await keys(), app.errors.splice(0).length], [[], 2])
    parts.abortAll = abortAll

    const lost = await leased()
    app.clock.time += 61_000
    const { job: again } = await app.json('/v1/worker/lease', { json: { worker: 'w2' } })
    await (
      await ended(worker(lost.id, again.fence))
    )()
    // By a URL that it was given before.
    const late = `tenants/default/jobs/${lost.id}/checkpoints/5/${lost.fence}/model.safetensors`
    await blobs.put(late, new Uint8Array(3))
    await blobs.parts.begin(late, PART)
    await sweepObjects(app.deps)
    assert.deepEqual(await keys(), [late], 'not before its URLs are over')
    app.clock.time += SEVEN_HOURS
    await sweepObjects(app.deps)
    assert.deepEqual([await keys(), unfinished()], [[], []])
  })
})

test('what the holder of a lease is uploading is left alone; what one before it left is collected', async () => {
  const first = await leased()
  await first.upload(1, { 'model.safetensors': 'lost' })
  app.clock.time += 61_000
  const { job } = await app.json('/v1/worker/lease', { json: { worker: 'w2' } })
  const second = worker(first.id, job.fence)
  await second.upload(1, { 'model.safetensors': 'weights 1', 'b.json': '{}' })
  app.clock.time += SEVEN_HOURS
  await app.deps.database.jobs.heartbeat({ job: first.id, fence: job.fence }, app.clock.time + 60_000)
  await sweepObjects(app.deps)
  assert.deepEqual(
    (await keys()).map((key) => key.split('/').slice(5).join('/')),
    ['1/2/b.json', '1/2/model.safetensors'],
  )
  await second.commit(1)
  assert.deepEqual(
    (await keys()).map((key) => key.split('/').slice(5).join('/')),
    ['1/2/manifest.json', '1/2/model.safetensors'],
  )
})

/** The keys that something in the database names. */
async function named(): Promise<string[]> {
  const { checkpoints } = app.deps.database
  const found: string[] = []
  for (const id of everyJob) {
    for (const { prefix, manifest } of await checkpoints.ofJob(id))
      for (const { name } of [...manifest.objects, { name: 'manifest.json' }]) found.push(`${prefix}/${name}`)
  }
  return found.sort()
}
const everyJob = new Set<string>()

for (const seed of [1, 2, 3]) {
  test(`after any sequence of creating and deleting nothing is stored that nobody names, and all that somebody does (${seed})`, async () => {
    const rng = new SeededRng('storage', seed)
    const pick = <T>(list: readonly T[]) => list[Math.floor(rng.uniform() * list.length)]!
    everyJob.clear()
    const names: string[] = []
    const attempt = (path: string, call: object) => app.request(path, call)
    const all = async (path: string) => (await app.json(path)).data as { id: string }[]
    const checkpointsOf = async () => (await Promise.all([...everyJob].map((id) => app.deps.database.checkpoints.ofJob(id)))).flat() // prettier-ignore
    const actions = [
      async () => {
        const job = await leased({
          config: { steps: 9, learning_rate: 0.1, batch_size: 2, max_tokens: 64, keep: { last: 2 } },
        })
        everyJob.add(job.id)
        const last = 1 + Math.floor(rng.uniform() * 4)
        for (let step = 1; step <= last; step++) await job.commit(step)
        if (rng.uniform() < 0.4) await job.upload(last + 1, { 'model.safetensors': 'x'.repeat(PART * 2 + 5) })
        if (rng.uniform() < 0.4) await job.post('uploads', { step: last + 1, objects: [{ name: 'b', size: 9 * PART, sha256: '0'.repeat(64) }] }) // prettier-ignore
        if (rng.uniform() < 0.5) await job.done()
        else await job.post('fail', { error: { code: 'diverged', message: 'm' } })
      },
      async () => {
        const [checkpoint] = [pick(await checkpointsOf())]
        if (!checkpoint) return
        const name = `m${names.length}`
        const made = await attempt('/v1/models', {
          json: { name, source: { type: 'checkpoint', checkpoint: checkpoint.id } },
        })
        if (made.ok) names.push(name)
      },
      async () => {
        const model = pick(await all('/v1/models?limit=100'))
        if (model) await attempt(`/v1/models/${model.id}`, { method: 'DELETE' })
        if (model) await studentAndDataAgain()
      },
      async () => {
        const job = pick(await all('/v1/jobs?limit=100'))
        if (job) await attempt(`/v1/jobs/${job.id}`, { method: 'DELETE' })
      },
      async () => {
        const checkpoint = pick(await checkpointsOf())
        if (checkpoint) await attempt(`/v1/checkpoints/${checkpoint.id}`, { method: 'DELETE' })
      },
    ]
    for (let i = 0; i < 40; i++) await pick(actions)()
    app.clock.time += SEVEN_HOURS
    for (let i = 0; i < 9; i++) await sweepObjects(app.deps)
    assert.deepEqual(await keys(), await named())
    assert.equal(unfinished().length, 0)
    const alive = new Set((await all('/v1/jobs?limit=100')).map(({ id }) => id))
    for (const id of everyJob)
      if (!alive.has(id)) assert.equal((await app.deps.database.jobs.events(id, { limit: 1 })).rows.length, 0)
    // Of deleted jobs, only what a model still names.
    const sources = JSON.stringify(await all('/v1/models?limit=100'))
    for (const { id, job } of await checkpointsOf()) if (!alive.has(job)) assert.ok(sources.includes(`"${id}"`), id)
    for (const { id } of await all('/v1/models?limit=100')) await app.json(`/v1/models/${id}`, { method: 'DELETE' })
    for (const id of alive) await app.json(`/v1/jobs/${id}`, { method: 'DELETE' })
    assert.deepEqual(await keys(), [])

    async function studentAndDataAgain() {
      const student = await app.request('/v1/models/student')
      if (!student.ok)
        await app.json('/v1/models', { json: { name: 'student', source: { type: 'local', path: '/s' } } })
    }
  })
}
