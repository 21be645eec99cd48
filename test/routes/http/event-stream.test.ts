/** What a reader of a job's events is sent, and when. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LeasedSpec } from '../../../src/core/schemas/job.ts'
import { streamEvents } from '../../../src/routes/http/event-stream.ts'
import { testApp } from '../../helpers/test-app.ts'

const JOB = 'job_1'

/** An API with a job that a worker holds, and a bell at which `waits` happens in turn. */
async function running(waits: (() => unknown)[] = []) {
  const asked: number[] = []
  const closed = { count: 0 }
  const allowed = { asked: 0, still: true }
  const bell = {
    ring() {},
    listen: (of: string) => ({
      async next(ms: number) {
        assert.equal(of, JOB)
        asked.push(ms)
        const happens = waits.shift()
        if (!happens) throw new Error('nothing more happens')
        await happens()
      },
      close: () => void closed.count++,
    }),
  }
  const app = await testApp({ bell })
  const { jobs } = app.deps.database
  const made = { id: JOB, tenant: 't', key: '', name: null, type: 'sft' as const, createdAt: app.clock.time }
  await jobs.insert({ ...made, spec: { type: 'sft' } as LeasedSpec }, null)
  const claimed = { worker: 'w', kinds: ['sft' as const], tenant: null, now: app.clock.time, leaseMs: 1e6, maxTries: 5 }
  assert.ok(await jobs.claim(claimed))
  const say = (...messages: string[]) =>
    jobs.postEvents({ job: JOB, fence: 1 }, messages.map((message) => ({ level: 'info', message })), app.clock.time) // prettier-ignore
  const end = async () => {
    const job = (await jobs.get(JOB))!
    assert.ok(await jobs.swap(job, { state: 'succeeded' }, app.clock.time))
  }
  const read = async (after?: string, signal = new AbortController().signal) =>
    (await streamEvents(app.deps, JOB, after, signal, async () => (allowed.asked++, allowed.still))).text()
  return { app, jobs, asked, closed, allowed, say, end, read }
}
const messagesOf = (text: string) => [...text.matchAll(/"message":"([^"]*)"/g)].map(([, message]) => message)

test('an ended job is told of to its end, however long its story is, a hundred events at a time', async () => {
  const { app, jobs, say, end, read, asked } = await running()
  const lines = Array.from({ length: 230 }, (_, i) => `line ${i}`)
  await say(...lines)
  await end()
  const { events } = jobs
  const limits: number[] = []
  jobs.events = (id, page) => (limits.push(page.limit), events.call(jobs, id, page))
  const text = await read()
  const told = messagesOf(text).filter((message) => message?.startsWith('line'))
  assert.deepEqual(told, lines)
  assert.ok(text.endsWith('\n\ndata: [DONE]\n\n'))
  assert.equal(text.match(/\[DONE\]/g)!.length, 1)
  assert.deepEqual(limits.slice(1), [100, 100, 100])
  assert.deepEqual(asked, [])
  const [first] = [...text.matchAll(/^id: (\d+)\nevent: (.*)\ndata: (.*)$/gm)]
  const event = JSON.parse(first![3]!)
  assert.deepEqual([event.id, event.object], [first![1], first![2]])
  const last = [...text.matchAll(/^id: (\d+)$/gm)].at(-1)![1]!
  assert.equal(await read(last), 'data: [DONE]\n\n')
  await assert.rejects(read('nobody'), { code: 'not_found' })
  app.close()
})

test('a running job is looked at when something happens; silence of a quarter of a minute is broken', async () => {
  const passed = (ms: number) => () => void (opened.app.clock.time += ms)
  const opened = await running([
    passed(14_999),
    passed(1),
    passed(14_999),
    () => opened.say('still at it'),
    passed(15_000),
    () => opened.end(),
  ])
  const text = await opened.read()
  const after = text.slice(text.lastIndexOf('job is running'))
  const kinds = [...after.matchAll(/^: still here$|still at it|\[DONE\]/gm)].map(([kind]) => kind)
  assert.deepEqual(kinds, [': still here', 'still at it', ': still here', '[DONE]'])
  assert.deepEqual(
    opened.asked,
    Array.from({ length: 6 }, () => 15_000),
  )
  opened.app.close()
})

test('a stream ends, without [DONE], when its key is revoked', async () => {
  const opened = await running([
    () => void (opened.app.clock.time += 15_000),
    () => opened.say('heard'),
    () => {
      opened.allowed.still = false
      opened.app.clock.time += 15_000
    },
  ])
  const text = await opened.read()
  assert.deepEqual(messagesOf(text).at(-1), 'heard')
  assert.ok(!text.includes('[DONE]') && text.includes(': still here'))
  assert.deepEqual([opened.allowed.asked, opened.closed.count], [2, 1])
  opened.app.close()
})

test('who reads no more is sent no more: the stream ends with the request', async () => {
  const reader = new AbortController()
  const { app, say, read } = await running([() => say('heard'), () => reader.abort(), () => say('unheard')])
  const told = messagesOf(await read(undefined, reader.signal))
  assert.equal(told.at(-1), 'heard')
  app.close()
})

test('who hangs up is not waited for: nothing is looked at any more', async () => {
  const later = () => new Promise<void>((resolve) => setImmediate(resolve))
  const { app, asked } = await running([() => void reader.cancel(), later])
  const reader = (
    await streamEvents(app.deps, JOB, undefined, new AbortController().signal, async () => true)
  ).body!.getReader()
  while (!(await reader.read()).done);
  for (let i = 0; i < 9; i++) await later()
  assert.equal(asked.length, 1)
  app.close()
})

test('it is a stream that nothing on its way keeps or holds back', async () => {
  const { app, end } = await running()
  await end()
  const { headers } = await streamEvents(app.deps, JOB, undefined, new AbortController().signal, async () => true)
  assert.deepEqual(['content-type', 'cache-control', 'x-accel-buffering'].map((name) => headers.get(name)), ['text/event-stream', 'no-cache', 'no']) // prettier-ignore
  app.close()
})
