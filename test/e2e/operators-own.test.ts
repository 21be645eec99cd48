/** What is the operator's own, on a worker that runs the jobs of all: its folders, its token for the hub, its cache. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createClient, type Client } from '../../src/client.ts'
import { LocalHub, REPO, TOKEN } from '../helpers/local-hub.ts'
import { startService } from './service.ts'
import { MODELS, sftJob, until } from './training-jobs.ts'

const JOB = sftJob({ steps: 1, batch_size: 2 })

/** A hub whose one model takes the operator's token, a service with one worker that has it, and two tenants. */
async function start(t: TestContext, env: Record<string, string> = {}) {
  const hub = new LocalHub()
  const endpoint = await hub.start()
  t.after(() => hub.close())
  const folder = join(MODELS, 'student')
  hub.files = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]))
  hub.gated = true
  const here = await startService()
  t.after(() => here.close())
  const { key } = await here.api.keys.create({ tenant: 'acme', scopes: ['data', 'train'] })
  const tenants = { operator: here.api, acme: createClient({ url: here.url, key }) }
  for (const api of Object.values(tenants)) {
    await api.datasets.create('{"prompt":"1 + 1","completion":"#### 2"}\n'.repeat(2), { name: 'solutions' })
    await api.models.create({ name: 'private', source: { type: 'hub', repo: REPO } })
  }
  const own = { HF_ENDPOINT: endpoint, HF_TOKEN: TOKEN, HF_HUB_CACHE: join(here.folder, 'hub'), ...env }
  const startWorker = (more: Record<string, string> = {}) => here.startWorker({ ...own, ...more })
  return { ...tenants, here, startWorker }
}

/** How a job on a model ends: `succeeded`, or the code and the message of its error. */
async function endOf(api: Client, model: string): Promise<string> {
  const { id } = await api.jobs.create({ ...JOB, model } as typeof JOB)
  return until(`${id} has ended`, async () => {
    const { state, error } = await api.jobs.get(id)
    if (state === 'queued' || state === 'running') return null
    return error ? `${error.code}: ${error.message}` : state
  })
}

test('another tenant’s job does not get the hub’s token, nor what the operator has fetched with it', async (t) => {
  const { operator, acme, startWorker } = await start(t)
  const worker = startWorker()
  const REFUSED = /^model_inaccessible: .*This worker's folders and its token for the hub are not for the tenant acme/s
  assert.match(await endOf(acme, 'private'), REFUSED)
  assert.equal(await endOf(operator, 'private'), 'succeeded')
  // Now the operator's cache holds it.
  assert.match(await endOf(acme, 'private'), REFUSED)
  worker.signal('SIGTERM')
  assert.equal(await worker.ended, 0)
  startWorker({ HF_HUB_OFFLINE: '1' })
  assert.match(await endOf(acme, 'private'), /^unavailable_here: .*are not for the tenant acme/s)
  assert.equal(await endOf(operator, 'private'), 'succeeded', 'from the cache')
})

test('another tenant’s job gets no model of the worker’s folders, however it names it', async (t) => {
  const { operator, acme, here, startWorker } = await start(t)
  symlinkSync('/etc', join(here.folder, 'elsewhere'))
  startWorker({ GAVEL_MODEL_ROOTS: `${MODELS}:${here.folder}` })
  const student = join(MODELS, 'student')
  for (const [i, path] of [student, `${MODELS}/../models/student`, '../../demo/models/student'].entries()) {
    await acme.models.create({ name: `m${i}`, source: { type: 'local', path } })
    assert.match(await endOf(acme, `m${i}`), /^unavailable_here: .*are not for the tenant acme/s, path)
  }
  await operator.models.create({ name: 'student', source: { type: 'local', path: student } })
  assert.equal(await endOf(operator, 'student'), 'succeeded')
  for (const [i, path] of [join(here.folder, 'elsewhere', 'hosts'), `${MODELS}/../../package.json`].entries()) {
    await operator.models.create({ name: `o${i}`, source: { type: 'local', path } })
    assert.match(await endOf(operator, `o${i}`), /^unavailable_here: .*outside the folders/, path)
  }
})

test('a tenant that the operator trusts may use both', async (t) => {
  const { acme, startWorker } = await start(t, { GAVEL_TRUSTED_TENANTS: 'other,acme' })
  startWorker()
  await acme.models.create({ name: 'student', source: { type: 'local', path: join(MODELS, 'student') } })
  assert.deepEqual([await endOf(acme, 'private'), await endOf(acme, 'student')], ['succeeded', 'succeeded'])
})

test('a tenant’s own worker serves it with what is the tenant’s own', async (t) => {
  const { operator, acme, startWorker } = await start(t)
  const { key } = await operator.keys.create({ tenant: 'acme', scopes: ['worker'] })
  startWorker({ GAVEL_API_KEY: key })
  assert.equal(await endOf(acme, 'private'), 'succeeded')
})
