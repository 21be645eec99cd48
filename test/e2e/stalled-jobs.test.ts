/** Models and data that would hold a worker for good. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { all } from '../../src/client.ts'
import { startService, type WorkerProcess } from './service.ts'
import { inState, MODELS, sftJob, until } from './training-jobs.ts'

/** Ends what does not get on after seconds, where an operator waits for minutes. */
const SHORT = { GAVEL_STALL_SECONDS: '3', GAVEL_GRACE_SECONDS: '2' }

/** The demo's model with a tokenizer for which some texts take longer than the universe will last. */
function modelThatHangs(folder: string): string {
  const path = join(mkdtempSync(join(folder, 'model-')), 'student')
  cpSync(join(MODELS, 'student'), path, { recursive: true })
  const file = join(path, 'tokenizer.json')
  const tokenizer = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  tokenizer.normalizer = { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: 'b' }
  writeFileSync(file, JSON.stringify(tokenizer))
  return path
}

/** A service with a job that blocks the event loop of its process at the second row. */
async function withBlockedJob(t: TestContext, env: Record<string, string>) {
  const here = await startService()
  t.after(() => here.close())
  const { api, folder } = here
  await api.models.create({ name: 'hangs', source: { type: 'local', path: modelThatHangs(folder) } })
  await api.models.create({ name: 'student', source: { type: 'local', path: join(MODELS, 'student') } })
  const rows = ['1 + 1', `${'a'.repeat(60)}!`, '2 + 2'].map((prompt) => ({ prompt, completion: '#### 4' }))
  await api.datasets.create(rows.map((row) => JSON.stringify(row)).join('\n'), { name: 'solutions' })
  const { id } = await api.jobs.create(sftJob({ steps: 2, batch_size: 2 }, { model: 'hangs' } as object))
  const worker = here.startWorker({ GAVEL_MODEL_ROOTS: `${folder}:${MODELS}`, ...env })
  return { here, id, worker }
}

const blocked = async (worker: WorkerProcess) => {
  await until('the job has a process', async () => worker.log().includes('attempt 1') && worker.jobProcess() > 0)
  // Longer than it takes to open the model.
  await sleep(4000)
  return worker.jobProcess()
}

const isAlive = (pid: number) => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

describe('a job whose process is blocked', { concurrency: 2 }, () => {
  test('is ended with the row that it was at, and the worker takes the next', async (t) => {
    const { here, id } = await withBlockedJob(t, SHORT)
    const { error, attempt } = await inState(here.api, id, 'failed')
    assert.equal(error?.code, 'no_progress')
    assert.match(error.message, /got no further for [345] s while it worked on row 2 of its data/)
    assert.equal(attempt, 1, 'it is not tried again')
    const next = await here.api.jobs.create(sftJob({ steps: 1, batch_size: 2 }))
    await inState(here.api, next.id, 'succeeded')
  })

  test('does not keep its worker from leaving in time: it goes back, and its process is gone', async (t) => {
    const { here, id, worker } = await withBlockedJob(t, { GAVEL_GRACE_SECONDS: '2' })
    const process = await blocked(worker)
    const asked = Date.now()
    worker.signalAll('SIGTERM')
    assert.equal(await worker.ended, 0)
    assert.ok(Date.now() - asked < 6000, `it took ${Date.now() - asked} ms`)
    const { state, error } = await here.api.jobs.get(id)
    assert.deepEqual([state, error, isAlive(process)], ['queued', null, false])
  })

  test('is paused after a grace, and says so', async (t) => {
    const { here, id, worker } = await withBlockedJob(t, { GAVEL_GRACE_SECONDS: '2' })
    await blocked(worker)
    await here.api.jobs.pause(id)
    const { error } = await inState(here.api, id, 'paused')
    assert.equal(error, null)
    const said = (await all(here.api.jobs.events(id))).map(({ message }) => message)
    assert.ok(said.some((message) => message.startsWith('pause: the job commits a checkpoint at the end of the step')))
    assert.ok(
      said.some((message) => /told to stop and did not answer for [234] s while it worked on row 2/.test(message)),
    )
  })

  test('does not outlive a worker that is killed', async (t) => {
    const { worker } = await withBlockedJob(t, {})
    const process = await blocked(worker)
    assert.ok(isAlive(process))
    worker.signal('SIGKILL')
    await worker.ended
    await until('the process is gone', async () => !isAlive(process), 10)
  })
})

test('a job that takes more memory than it may is ended, and says how much', async (t) => {
  const here = await startService()
  t.after(() => here.close())
  const { api } = here
  await api.models.create({ name: 'student', source: { type: 'local', path: join(MODELS, 'student') } })
  await api.datasets.create('{"prompt":"1 + 1","completion":"#### 2"}', { name: 'solutions' })
  const { id } = await api.jobs.create(sftJob({ steps: 1 }))
  here.startWorker({ GAVEL_JOB_MEMORY_MB: '60' })
  const { error } = await inState(api, id, 'failed')
  assert.equal(error?.code, 'out_of_memory')
  assert.match(error.message, /held \d+ MB, and this worker lets a job have 60 MB \(GAVEL_JOB_MEMORY_MB\)/)
})

test('the process of a job gets no key, no token, and nothing else that it has no use for', async (t) => {
  const { worker } = await withBlockedJob(t, {
    HF_TOKEN: 'hf_secret',
    AWS_SECRET_ACCESS_KEY: 'aws_secret',
    MY_OWN: 'x',
  })
  const process = await blocked(worker)
  const environment = readFileSync(`/proc/${process}/environ`, 'utf8')
  assert.match(environment, /(^|\0)PATH=/)
  assert.doesNotMatch(environment, /GAVEL|hf_secret|aws_secret|MY_OWN/)
})
