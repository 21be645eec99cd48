/** What the API must do with datasets, on Node and in workerd: in one request, in parts, appended, broken off. */
import assert from 'node:assert/strict'
import { GavelError } from '../../src/core/errors.ts'
import type { BlobStore } from '../../src/core/ports.ts'
import { sha256Hex } from '../../src/core/sha256.ts'
import type { Deps } from '../../src/service/deps.ts'
import { sweepUploads } from '../../src/service/datasets/uploads.ts'
import type { TestApi } from '../helpers/test-api.ts'

const headers = { 'content-type': 'application/jsonl' }
const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `${JSON.stringify({ id: from + i, prompt: `${from + i}?`, answer: '1' })}\n`).join('') // prettier-ignore
const gzip = async (text: string) =>
  new Uint8Array(await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer())

/** Yields these, then breaks off where told. */
function body(chunks: string[], breaks = false): ReadableStream<Uint8Array> {
  const left = [...chunks]
  return new ReadableStream({
    pull(controller) {
      const next = left.shift()
      if (next !== undefined) controller.enqueue(new TextEncoder().encode(next))
      else if (breaks) controller.error(new Error('the connection was lost'))
      else controller.close()
    },
  })
}

type Open = (changes?: Partial<Deps>) => Promise<TestApi & { close(): void }>

export function datasetsContract(test: (name: string, run: () => Promise<void>) => unknown, open: Open): void {
  const check = (name: string, run: (api: TestApi) => Promise<void>, changes?: Partial<Deps>) =>
    test(name, async () => {
      const api = await open(changes)
      try {
        await run(api)
      } finally {
        api.close()
      }
    })
  const keys = async (api: TestApi) => (await api.deps.blobs.list('tenants/')).map(({ key }) => key)
  const upload = (api: TestApi, query: string, text: BodyInit, status = 200) =>
    api.json(`/v1/datasets${query}`, { body: text, headers }, status)
  const begin = async (api: TestApi, json: object = {}) =>
    (await api.json('/v1/dataset_uploads', { json })).id as string
  const part = (api: TestApi, id: string, n: number | string, text: BodyInit, status = 200, more: object = {}) =>
    api.json(`/v1/dataset_uploads/${id}/parts/${n}`, { method: 'PUT', body: text, headers: { ...headers, ...more } }, status) // prettier-ignore
  const complete = (api: TestApi, id: string, parts: number, status = 200) =>
    api.json(`/v1/dataset_uploads/${id}/complete`, { json: { parts } }, status)
  const content = async (api: TestApi, id: string) => (await api.request(`/v1/datasets/${id}/content`)).text()

  check('parts become one dataset, with one numbering of lines; nothing is seen before', async (api) => {
    const id = await begin(api, { name: 'big' })
    assert.deepEqual((await api.json(`/v1/dataset_uploads/${id}`)).parts, [])
    // The first part ends without a newline, the second is compressed and has blank lines.
    const first = await part(api, id, 1, lines(0, 3).trimEnd())
    assert.deepEqual([first.object, first.parts], ['dataset.upload', [{ part: 1, rows: 3, bytes: lines(0, 3).length - 1 }]]) // prettier-ignore
    await part(api, id, 2, await gzip(`\n${lines(3, 5)}\n`), 200, { 'content-encoding': 'gzip' })
    const { error } = await part(api, id, 3, `${lines(5, 6)}{"prompt":"x","answer":"1","answer":"2"}\n`, 422)
    assert.deepEqual([error.code, error.param], ['bad_dataset_line', 'line 9, answer'])
    assert.deepEqual((await api.json('/v1/datasets')).data, [])
    await api.json('/v1/datasets/big', {}, 404)
    const { parts } = await part(api, id, 3, lines(5, 6))
    assert.deepEqual(parts.map((p: { rows: number }) => p.rows), [3, 2, 1]) // prettier-ignore

    assert.equal((await complete(api, id, 4, 409)).error.param, 'parts')
    const made = await complete(api, id, 3)
    assert.deepEqual([made.name, made.version, made.rows, made.labelled, made.base], ['big', 1, 6, 6, null])
    const whole = `${lines(0, 3)}\n${lines(3, 5)}\n${lines(5, 6)}`
    assert.equal(await content(api, made.id), whole)
    assert.deepEqual([made.sha256, made.bytes], [await sha256Hex(whole), whole.length])
    const rows = async (query: string) => (await api.json(`/v1/datasets/big/rows?${query}`)).data
    assert.deepEqual((await rows('')).map((r: { line: number; row: { id: number } }) => [r.line, r.row.id]), [[1, 0], [2, 1], [3, 2], [5, 3], [6, 4], [8, 5]]) // prettier-ignore
    for (const [after, line] of [[1, 2], [3, 5], [4, 5], [6, 8]]) assert.equal((await rows(`after=${after}&limit=1`))[0].line, line) // prettier-ignore
    assert.deepEqual(await rows('after=8'), [])
    assert.deepEqual(api.errors, [])
  })

  check('a part comes in order, once, and again only as it was; completing again answers the same', async (api) => {
    const id = await begin(api)
    assert.equal((await part(api, id, 2, lines(0, 1), 409)).error.param, 'part')
    for (const wrong of ['0', '-1', '1.5', 'x', '10001', '1e1x']) await part(api, id, wrong, lines(0, 1), 400)
    await part(api, id, 1, lines(0, 2).trimEnd())
    await part(api, id, 2, lines(2, 4))
    const stored = await keys(api)
    assert.equal((await part(api, id, 2, lines(2, 4))).parts.length, 2)
    assert.match((await part(api, id, 2, lines(2, 5), 409)).error.message, /with other bytes/)
    assert.match((await part(api, id, 1, lines(0, 2), 409)).error.message, /has 2, so the next is part 3/)
    assert.deepEqual(await keys(api), stored, 'nothing more is stored')
    assert.equal((await complete(api, id, 1, 409)).error.param, 'parts')
    const made = await complete(api, id, 2)
    assert.deepEqual(await complete(api, id, 2), made)
    assert.equal((await api.json(`/v1/dataset_uploads/${id}`)).dataset, made.id)
    assert.match((await part(api, id, 3, lines(4, 5), 409)).error.message, /is complete/)
    assert.equal(made.rows, 4)
    // Ending the upload leaves the dataset.
    await api.json(`/v1/dataset_uploads/${id}`, { method: 'DELETE' })
    assert.equal(await content(api, made.id), lines(0, 4))
    await complete(api, id, 2, 404)
    assert.deepEqual(api.errors, [])
  })

  check('the same part twice at the same moment is stored once', async (api) => {
    const id = await begin(api)
    const send = (text: string) =>
      api.request(`/v1/dataset_uploads/${id}/parts/1`, { method: 'PUT', body: text, headers }).then((r) => r.status)
    const statuses = await Promise.all([lines(0, 1), lines(1, 3), lines(3, 6)].map(send))
    assert.deepEqual(statuses.sort(), [200, 409, 409])
    assert.equal((await keys(api)).length, 1)
    const completed = await Promise.all([1, 1, 1].map(() => api.request(`/v1/dataset_uploads/${id}/complete`, { json: { parts: 1 } }))) // prettier-ignore
    const made = await Promise.all(completed.filter((r) => r.status === 200).map(async (r) => ((await r.json()) as { id: string }).id)) // prettier-ignore
    assert.equal(new Set(made).size, 1)
    assert.equal((await api.json('/v1/datasets')).data.length, 1)
  })

  check('rows are appended as the next version; jobs keep the version that they named', async (api) => {
    await api.json('/v1/models', { json: { name: 'student', source: { type: 'local', path: '/models/student' } } })
    const one = await upload(api, '?name=d', lines(0, 2).trimEnd())
    const evaluation = { type: 'eval', model: 'student', dataset: 'd', verifier: 'math', config: { max_new_tokens: 9 } }
    const job = await api.json('/v1/jobs', { json: evaluation })
    const two = await upload(api, '?append_to=d', lines(2, 3))
    assert.deepEqual([two.name, two.version, two.rows, two.base], ['d', 2, 3, one.id])
    assert.equal(await content(api, two.id), lines(0, 3))
    assert.deepEqual((await api.json(`/v1/datasets/${two.id}/rows`)).data.map((r: { line: number }) => r.line), [1, 2, 3]) // prettier-ignore
    const single = await upload(api, '', lines(0, 1).trimEnd())
    const pair = await upload(api, `?append_to=${single.id}`, lines(1, 2))
    assert.deepEqual((await api.json(`/v1/datasets/${pair.id}/rows`)).data.map((r: { line: number }) => r.line), [1, 2]) // prettier-ignore
    assert.equal((await api.json(`/v1/datasets/${pair.id}/rows?after=1`)).data[0].line, 2)
    for (const { id } of [single, pair]) await api.json(`/v1/datasets/${id}`, { method: 'DELETE' })
    assert.equal(two.sha256, await sha256Hex(lines(0, 3)))
    assert.equal(await content(api, one.id), lines(0, 2).trimEnd())
    assert.equal((await api.json(`/v1/jobs/${job.id}`)).spec.dataset, one.id)
    const { job: leased } = await api.json('/v1/worker/lease', { json: { worker: 'w' } })
    assert.deepEqual(leased.inputs.datasets.dataset.objects.length, 1)

    // By parts, and from the newest version only: else the newest of the name would lack rows.
    const late = await begin(api, { append_to: 'd' })
    await part(api, late, 1, lines(9, 10))
    const three = await upload(api, '?append_to=d', lines(3, 4))
    assert.deepEqual([three.version, three.rows], [3, 4])
    assert.equal((await complete(api, late, 1, 409)).error.param, 'append_to')
    assert.equal((await upload(api, `?append_to=${one.id}`, lines(5, 6), 409)).error.param, 'append_to')
    const fork = await upload(api, `?append_to=${one.id}&name=fork`, lines(5, 6))
    assert.deepEqual([fork.version, fork.rows, fork.base], [1, 3, one.id])
    assert.equal((await api.json('/v1/datasets/d')).id, three.id)
    await upload(api, '?append_to=nobody', lines(0, 1), 404)
    const bad = await upload(api, '?append_to=d', `${lines(4, 5)}nope`, 422)
    assert.equal(bad.error.param, 'line 6')

    // Objects are shared, and go with the last version that names them.
    await api.json(`/v1/jobs/${job.id}/cancel`, { method: 'POST' })
    await api.json(`/v1/worker/jobs/${job.id}/release`, { json: { fence: leased.fence } })
    await api.json(`/v1/datasets/${one.id}`, { method: 'DELETE' })
    assert.equal(await content(api, three.id), lines(0, 4))
    assert.equal(await content(api, fork.id), lines(0, 2) + lines(5, 6))
    for (const id of [fork.id, two.id]) await api.json(`/v1/datasets/${id}`, { method: 'DELETE' })
    assert.equal(await content(api, three.id), lines(0, 4))
    await api.json(`/v1/dataset_uploads/${late}`, { method: 'DELETE' })
    assert.equal((await keys(api)).length, 3)
    await api.json(`/v1/datasets/${three.id}`, { method: 'DELETE' })
    assert.deepEqual(await keys(api), [])
    assert.deepEqual(api.errors, [])
  })

  check('what is appended while its base is deleted is refused, and nothing is lost', async (api) => {
    const one = await upload(api, '?name=d', lines(0, 2))
    const id = await begin(api, { append_to: 'd' })
    await part(api, id, 1, lines(2, 3))
    await api.json(`/v1/datasets/${one.id}`, { method: 'DELETE' })
    assert.match((await complete(api, id, 1, 409)).error.message, /has been deleted/)
    assert.deepEqual((await api.json('/v1/datasets')).data, [])
  })

  check("another tenant's upload is not there", async (api) => {
    const { key } = await api.json('/v1/keys', { json: { name: 'other', scopes: ['data'], tenant: 'other' } })
    const id = await begin(api)
    await part(api, id, 1, lines(0, 1))
    const theirs = (path: string, call: object = {}) => api.json(`/v1/dataset_uploads/${path}`, { key, ...call }, 404)
    await theirs(id)
    await theirs(`${id}/parts/2`, { method: 'PUT', body: lines(1, 2), headers })
    await theirs(`${id}/parts/2/url`, { method: 'POST' })
    await theirs(`${id}/parts/2/take`, { method: 'POST' })
    await theirs(`${id}/complete`, { json: { parts: 1 } })
    await theirs(id, { method: 'DELETE' })
    const made = await complete(api, id, 1)
    await api.json('/v1/dataset_uploads', { key, json: { append_to: made.id } }, 404)
    assert.equal((await api.json(`/v1/datasets?append_to=${made.id}`, { key, body: lines(0, 1), headers }, 404)).error.param, 'append_to') // prettier-ignore
    for (const path of ['..%2f..', '%00', 'upload_x', 'x'.repeat(5000)]) await api.json(`/v1/dataset_uploads/${path}/complete`, { json: { parts: 1 } }, 404) // prettier-ignore
    for (const name of ['../x', 'a/b', '', 'ds_1']) await api.json('/v1/dataset_uploads', { json: { name } }, 400)
  })

  check('an upload that breaks off leaves nothing', async (api) => {
    const broken = await api.request('/v1/datasets?name=d', {
      body: body([lines(0, 50), lines(50, 99)], true),
      headers,
    })
    assert.ok(broken.status >= 400)
    assert.deepEqual(await keys(api), [])
    await api.json('/v1/datasets/d', {}, 404)
    const id = await begin(api)
    await part(api, id, 1, lines(0, 1))
    const kept = await keys(api)
    const lost = await api.request(`/v1/dataset_uploads/${id}/parts/2`, { method: 'PUT', body: body([lines(1, 2)], true), headers }) // prettier-ignore
    assert.ok(lost.status >= 400)
    assert.deepEqual(await keys(api), kept)
    // As does one that nobody completes: also where a process was killed, and nothing of it is noted.
    await api.deps.blobs.put(`${kept[0]!.replace(/[^/]*$/, '')}9-killed-0.jsonl`, new Uint8Array(3))
    await sweepUploads(api.deps)
    assert.equal((await keys(api)).length, 2)
    api.clock.time += 25 * 3_600_000
    await api.json(`/v1/dataset_uploads/${id}`, {}, 404)
    await sweepUploads(api.deps)
    assert.deepEqual(await keys(api), [])
  })

  check('of a complete upload the sweep takes only what no dataset names', async (api) => {
    const id = await begin(api)
    await part(api, id, 1, lines(0, 1))
    const made = await complete(api, id, 1)
    await api.deps.blobs.put(`tenants/default/datasets/${made.id}/1-killed-0.jsonl`, new Uint8Array(3))
    api.clock.time += 25 * 3_600_000
    await sweepUploads(api.deps)
    assert.equal((await keys(api)).length, 1)
    assert.equal(await content(api, made.id), lines(0, 1))
  })

  test('what a process that is killed while it deletes leaves is swept after a grace, and nothing that is in use', async () => {
    const api = await open()
    const killed = { delete: () => Promise.reject(new Error('killed')), list: (prefix: string) => blobs.list(prefix) }
    const { blobs } = api.deps
    const base = (await upload(api, '?name=d', lines(0, 1))).id
    const longer = await upload(api, `?append_to=${base}`, lines(1, 2))
    const open_ = await begin(api)
    await part(api, open_, 1, lines(0, 1))
    assert.equal((await keys(api)).length, 3)
    api.deps.blobs = { ...blobs, ...killed }
    for (const path of [`/v1/datasets/${base}`, `/v1/datasets/${longer.id}`, `/v1/dataset_uploads/${open_}`]) {
      await api.json(path, { method: 'DELETE' }, path.endsWith(base) ? 200 : 500)
      await api.json(path, {}, 404)
    }
    api.deps.blobs = blobs
    const kept = await upload(api, '?name=other', lines(0, 2))
    assert.equal((await keys(api)).length, 4)
    await sweepUploads(api.deps)
    assert.equal((await keys(api)).length, 4, 'not at once: a part may be on its way')
    api.clock.time += 3_600_000
    await sweepUploads(api.deps)
    assert.equal((await keys(api)).length, 1)
    assert.equal(await content(api, kept.id), lines(0, 2))
    api.close()
  })

  check('a part that is on its way while its upload is ended is not taken, and leaves nothing', async (api) => {
    const id = await begin(api)
    const { swap } = api.deps.database.uploads
    api.deps.database.uploads.swap = async (...of) => {
      api.deps.database.uploads.swap = swap
      await api.json(`/v1/dataset_uploads/${id}`, { method: 'DELETE' })
      return swap(...of)
    }
    await part(api, id, 1, lines(0, 1), 409)
    assert.deepEqual(await keys(api), [])
  })

  check('compressed bodies are taken apart on the way, and never beyond the limits', async (api) => {
    const send = async (bytes: Uint8Array<ArrayBuffer>, more: object, status = 200) =>
      api.json('/v1/datasets', { body: bytes, headers: { ...headers, ...more } }, status)
    const small = await gzip(lines(0, 3))
    assert.equal((await send(small, { 'content-encoding': 'gzip' })).sha256, await sha256Hex(lines(0, 3)))
    assert.equal((await send(small, { 'content-type': 'application/gzip' })).rows, 3)
    for (const cut of [small.slice(0, 20), new TextEncoder().encode(lines(0, 3)).slice(), small.slice(0, -4)]) {
      assert.equal((await send(cut, { 'content-encoding': 'gzip' }, 400)).error.code, 'invalid_request')
    }
    assert.equal((await send(small, { 'content-encoding': 'br' }, 415)).error.param, 'Content-Encoding')
    const bomb = await gzip('\n'.repeat(3_000_000))
    assert.ok(bomb.length < 5000)
    assert.equal((await send(bomb, { 'content-encoding': 'gzip' }, 413)).error.code, 'too_large')
    const blanks = await gzip(' '.repeat(1_500_000))
    assert.equal((await send(blanks, { 'content-encoding': 'gzip' }, 413)).error.param, 'line 1')
    assert.equal((await keys(api)).length, 2)
  }, { datasetLimits: { bytes: 2_000_000, rows: 1000 } }) // prettier-ignore

  check('limits count what was there before', async (api) => {
    const id = await begin(api)
    const { max_rows, max_bytes } = await part(api, id, 1, lines(0, 3))
    assert.deepEqual([max_rows, max_bytes], [5, 1000])
    assert.match((await part(api, id, 2, lines(3, 6), 413)).error.message, /at most 5 rows/)
    assert.match((await part(api, id, 2, `{"prompt":"${'x'.repeat(1000)}"}`, 413)).error.message, /at most 1000 bytes/)
    await part(api, id, 2, lines(3, 5))
    const made = await complete(api, id, 2)
    assert.match((await upload(api, `?append_to=${made.id}`, lines(5, 6), 413)).error.message, /at most 5 rows/)
  }, { datasetLimits: { bytes: 1000, rows: 5 } }) // prettier-ignore

  test('a part may be put at a URL of the store; what is taken is a copy', async () => {
    const api = await open()
    const { blobs } = api.deps
    const own = await begin(api)
    const none = await api.json(`/v1/dataset_uploads/${own}/parts/1/url`, { method: 'POST' }, 422)
    assert.match(none.error.message, /no URLs of its own\. Put the part at \/v1\/dataset_uploads\/upload_\w+\/parts\/1/)
    api.deps.blobs = {
      ...blobs,
      list: (prefix) => blobs.list(prefix),
      stream: (key) => blobs.stream(key),
      presign: async (key, method) => `https://store.example/${key}?${method}`,
    }
    const id = await begin(api)
    const at = `/v1/dataset_uploads/${id}/parts/1`
    assert.equal((await api.json(`${at}/take`, { method: 'POST' }, 422)).error.param, 'part')
    const { url, method } = await api.json(`${at}/url`, { method: 'POST' })
    assert.equal(method, 'PUT')
    const [, key] = /^https:\/\/store\.example\/(tenants\/default\/datasets\/ds_\w+\/incoming-1)\?PUT$/.exec(url)!
    const write = (text: string) => blobs.put(key!, new TextEncoder().encode(text))
    await write(`${lines(0, 1)}nope`)
    assert.equal((await api.json(`${at}/take`, { method: 'POST' }, 422)).error.param, 'line 2')
    await write(lines(0, 3))
    assert.equal((await api.json(`${at}/take`, { method: 'POST' })).parts[0].rows, 3)
    assert.equal((await api.json(`${at}/take`, { method: 'POST' })).parts.length, 1, 'again changes nothing')
    // The URL can still be written to, and what was checked is not.
    await write('{"prompt":"other"}')
    const made = await complete(api, id, 1)
    api.deps.blobs = blobs
    assert.equal(await content(api, made.id), lines(0, 3))
    api.clock.time += 25 * 3_600_000
    await sweepUploads(api.deps)
    assert.equal((await keys(api)).length, 1)
    api.close()
  })

  test('a store that fills up in the middle leaves nothing', async () => {
    const api = await open()
    const { blobs } = api.deps
    let room = 1
    const full: BlobStore = {
      ...blobs,
      list: (prefix) => blobs.list(prefix),
      stream: (key) => blobs.stream(key),
      async put(key, bytes, options) {
        if (room-- <= 0) {
          throw new GavelError('disk_full', 'The disk is full.')
        }
        return blobs.put(key, bytes, options)
      },
    }
    api.deps.blobs = full
    // More than one object's worth.
    const row = `${JSON.stringify({ prompt: 'x'.repeat(100_000) })}\n`
    const { error } = await upload(api, '?name=d', row.repeat(200), 507)
    assert.equal(error.code, 'disk_full')
    assert.deepEqual(await keys(api), [])
    room = Infinity
    const made = await upload(api, '?name=d', row.repeat(200))
    assert.equal((await keys(api)).length, 3)
    assert.equal(made.sha256, await sha256Hex(row.repeat(200)))
    assert.equal((await content(api, made.id)).length, made.bytes)
    const page = await api.json(`/v1/datasets/${made.id}/rows?after=150&limit=1`)
    assert.equal(page.data[0].line, 151)
    api.close()
  })
}
