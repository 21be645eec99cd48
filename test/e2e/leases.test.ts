/** Who may work on a job, and how one is stopped and taken up again. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startService, type Service } from './service.ts'
import { bringData, grpoJob, inState, progressOf, remains, sftJob, until } from './training-jobs.ts'

/** A service with the data in it, which ends with the test. */
async function service(t: TestContext): Promise<Service> {
  const started = await startService()
  t.after(() => started.close())
  await bringData(started.api)
  return started
}

/** A job that would take minutes. */
const LONG = { steps: 5000, checkpoint_every: 3 }
/** Enough steps for a stop to come in between. */
const STEPS = { steps: 16, checkpoint_every: 4 }

const atStep = ({ api }: Service, id: string, step: number) =>
  until(`${id} is at step ${step}`, async () => ((await api.jobs.get(id)).step ?? 0) >= step)

describe('leases', { concurrency: true }, () => {
  const expected = (async () => {
    const quiet = await startService()
    try {
      await bringData(quiet.api)
      const { id } = await quiet.api.jobs.create(grpoJob(STEPS))
      quiet.startWorker()
      return await remains(quiet.api, id)
    } finally {
      await quiet.close()
    }
  })()

  test('a worker that slept past its lease writes nothing, and drops the job that is another now', async (t) => {
    const here = await service(t)
    const { id } = await here.api.jobs.create(grpoJob(STEPS))
    const sleeper = here.startWorker()
    await atStep(here, id, 5)
    sleeper.signalAll('SIGSTOP')
    const other = here.startWorker()
    const left = await remains(here.api, id)
    assert.match(other.log(), /attempt 2/)
    const done = await here.api.jobs.get(id)

    sleeper.signalAll('SIGCONT')
    await until('the sleeper has dropped the job', async () => sleeper.log().includes(`${id} lost`))
    assert.deepEqual(await remains(here.api, id), left)
    assert.deepEqual(left, await expected)
    assert.deepEqual(await here.api.jobs.get(id), done)
    // It is fit for the next job, and has thrown away what it had of the last.
    other.signal('SIGTERM')
    assert.equal(await other.ended, 0)
    const next = await here.api.jobs.create(sftJob({ steps: 1 }))
    await inState(here.api, next.id, 'succeeded')
    const workspace = join(here.folder, 'workspace')
    assert.deepEqual(
      readdirSync(workspace).flatMap((name) => readdirSync(join(workspace, name))),
      ['alive'],
    )
  })

  test('two workers share three jobs, and each runs once', async (t) => {
    const here = await service(t)
    const jobs = []
    for (const seed of [1, 2, 3]) jobs.push((await here.api.jobs.create(sftJob({ seed, steps: 10 }))).id)
    const workers = [here.startWorker(), here.startWorker()]
    for (const id of jobs) assert.equal((await inState(here.api, id, 'succeeded')).attempt, 1)
    const begun = workers.flatMap((worker) => [...worker.log().matchAll(/(job_\w+) \(sft\)/g)].map(([, id]) => id))
    assert.deepEqual(begun.sort(), jobs.sort())
  })

  test('pause commits a checkpoint, and what is resumed ends as if nothing had been', async (t) => {
    const here = await service(t)
    const { id } = await here.api.jobs.create(grpoJob(STEPS))
    here.startWorker()
    await atStep(here, id, 1)
    await here.api.jobs.pause(id)
    const paused = await inState(here.api, id, 'paused')
    const { metrics, checkpoints } = await progressOf(here.api, id)
    assert.ok(paused.step! < STEPS.steps, 'the pause came too late to show anything')
    assert.equal(checkpoints.at(-1), metrics.at(-1))
    await here.api.jobs.resume(id)
    const left = await remains(here.api, id)
    const scheduled = ({ step }: { step: number }) => step % STEPS.checkpoint_every === 0
    // The pause has left a checkpoint of its own; all else is the same.
    const { checkpoints: planned, ...rest } = await expected
    assert.deepEqual({ ...left, checkpoints: left.checkpoints.filter(scheduled) }, { checkpoints: planned, ...rest })
  })

  test('SIGTERM makes a worker commit, give the job back and leave; the job goes on elsewhere', async (t) => {
    const here = await service(t)
    const { id } = await here.api.jobs.create(grpoJob(STEPS))
    const first = here.startWorker()
    await atStep(here, id, 1)
    // As a service manager does it: the whole group at once.
    first.signalAll('SIGTERM')
    assert.equal(await first.ended, 0)
    const given = await here.api.jobs.get(id)
    assert.deepEqual([given.state, given.error], ['queued', null])
    const { metrics, checkpoints } = await progressOf(here.api, id)
    assert.equal(checkpoints.at(-1), metrics.at(-1))
    here.startWorker()
    const left = await remains(here.api, id)
    const { bytes, metrics: numbers, result } = await expected
    assert.deepEqual([left.bytes, left.metrics, left.result], [bytes, numbers, result])
  })

  test('cancel ends a job in the middle of a step within seconds, and frees the worker', async (t) => {
    const here = await service(t)
    const { id } = await here.api.jobs.create(grpoJob(LONG))
    const worker = here.startWorker()
    await atStep(here, id, 1)
    // A step that never ends.
    process.kill(worker.jobProcess(), 'SIGSTOP')
    await sleep(200)
    const asked = Date.now()
    await here.api.jobs.cancel(id)
    const { error, result } = await inState(here.api, id, 'cancelled')
    assert.ok(Date.now() - asked < 12_000, `it took ${Date.now() - asked} ms`)
    assert.deepEqual([error, result], [null, null])
    const next = await here.api.jobs.create(sftJob({ steps: 1 }))
    await inState(here.api, next.id, 'succeeded')
  })
})
