/** Each route there is, asked by who must not have it: another tenant with the operator's ids, and keys without the scope. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { SCOPES } from '../../src/core/schemas/key.ts'
import { sftJob, studentAndData } from '../contracts/api.ts'
import { testApp, type TestApp } from '../helpers/test-app.ts'

interface Operation {
  description?: string
  security?: unknown[]
  requestBody?: { content: Record<string, { example?: object }> }
}
/** Routes that answer without looking for what the path names: they tell nothing. */
const TELL_NOTHING = /\/(seed_session|close_session|reverify_mode|aggregate_metrics|info)$/

const routes: { method: string; path: string; operation: Operation }[] = []
/** The operator's. */
const ids: string[] = []
let app: TestApp
let job: { id: string; fence: number; inputs: { datasets: { dataset: { objects: { url: string }[] } } } }

before(async () => {
  app = await testApp({ metrics: null })
  const { paths } = (await app.json('/openapi.json', { key: null })) as {
    paths: Record<string, Record<string, Operation>>
  }
  for (const [path, methods] of Object.entries(paths))
    for (const [method, operation] of Object.entries(methods))
      if (operation.security?.length !== 0) routes.push({ method: method.toUpperCase(), path, operation })

  const dataset = await studentAndData(app)
  const made = await app.json('/v1/jobs', { json: sftJob(dataset) })
  ;({ job } = await app.json('/v1/worker/lease', { json: { worker: 'w' } }))
  const judge = { name: 'theirs', provider: { type: 'openai', base_url: 'https://example.com/v1', model: 'm' } } // prettier-ignore
  const { id: judgeId } = await app.json('/v1/judges', { json: { ...judge, probe: false } })
  const upload = await app.json('/v1/dataset_uploads', { json: { name: 'u' } })
  const key = await app.json('/v1/keys', { json: { scopes: ['judge'] } })
  const model = await app.json('/v1/models/student')
  const recipe = await app.json('/v1/recipes', { json: { name: 'r', lambda: 1, verifier: 'math' } })
  ids.push(dataset, made.id, judgeId, upload.id, key.id, model.id, recipe.id)
})
after(() => app.close())

/** A request that would be right, but for who sends it. */
function callOf({ method, path, operation }: (typeof routes)[number], id: string) {
  const object = job.inputs.datasets.dataset.objects[0]!.url
  const filled = path
    .replace(/\{key[^}]*\}/, object.slice(object.indexOf('objects/') + 8).split('?')[0]!)
    .replace('{fence}', String(job.fence))
    .replace('{step}', '0')
    .replace('{part}', '1')
    .replace('{name}', 'config.json')
    .replace(/\{\w+\}/, id)
  const query = path.includes('{key') ? `?fence=${job.fence}` : ''
  const content = operation.requestBody?.content
  const json = content && 'application/json' in content ? { fence: job.fence, ...content['application/json']!.example } : undefined // prettier-ignore
  const body = content && json === undefined ? { body: '{"prompt":"x"}' } : {}
  return { path: filled + query, call: { method, ...(json && { json }), ...body } }
}

describe('of all routes', () => {
  test('none gives another tenant anything of what the operator’s ids name, or changes it', async () => {
    const scopes = SCOPES.filter((scope) => scope !== 'admin')
    const keys = [scopes, ['admin']].map((some) => app.json('/v1/keys', { json: { tenant: 'acme', scopes: some } }))
    const before = JSON.stringify(await everything())
    let asked = 0
    for (const { key } of await Promise.all(keys)) {
      for (const route of routes) {
        const named = route.path.includes('{') ? ids : ['']
        for (const id of named) {
          const { path, call } = callOf(route, id)
          const response = await app.request(path, { ...call, key })
          const text = await response.text()
          const where = `${route.method} ${path}: ${response.status} ${text.slice(0, 300)}`
          assert.notEqual(response.status, 500, where)
          if (id !== '' && !TELL_NOTHING.test(route.path)) assert.ok(response.status >= 400, where)
          if (response.ok) for (const other of ids) assert.ok(other === id || !text.includes(other), where)
          asked++
        }
      }
    }
    assert.ok(asked > 500, `${asked} requests`)
    assert.equal(JSON.stringify(await everything()), before)
  })

  test('none is had with a key that lacks its scope, or without one', async () => {
    const keys = await Promise.all(SCOPES.map(async (scope) => [scope, (await app.json('/v1/keys', { json: { scopes: [scope] } })).key])) // prettier-ignore
    for (const route of routes) {
      const [, needed] = /Needs a key with the scope `(\w+)`/.exec(route.operation.description ?? '') ?? []
      const { path, call } = callOf(route, ids[0]!)
      assert.equal((await app.request(path, { ...call, key: null })).status, 401, path)
      assert.ok(needed, `${route.method} ${path} says no scope`)
      for (const [scope, key] of keys) {
        if (scope === needed || scope === 'admin') continue
        const { status } = await app.request(path, { ...call, key })
        assert.equal(status, 403, `${route.method} ${path} with ${scope}`)
      }
    }
  })
})

/** All that the operator sees of its own. */
async function everything() {
  const lists = ['judges', 'recipes', 'datasets', 'models', 'jobs'].map((kind) => app.json(`/v1/${kind}`))
  const uploads = app.json(`/v1/dataset_uploads/${ids[3]!}`)
  return Promise.all([...lists, uploads, app.json(`/v1/jobs/${job.id}/events`)])
}
