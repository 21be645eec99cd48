import assert from 'node:assert/strict'
import { test } from 'node:test'
import { processBell } from '../../../src/adapters/node/process-bell.ts'

test('whoever listens for something hears its rings, and nobody else does', async () => {
  const bell = processBell()
  const [one, other] = [bell.listen('job_1'), bell.listen('job_2')]
  const heard: string[] = []
  const both = [one.next(60_000).then(() => heard.push('one')), other.next(20).then(() => heard.push('other'))]
  bell.ring('job_1')
  await both[0]
  assert.deepEqual(heard, ['one'])
  await both[1]
  assert.deepEqual(heard, ['one', 'other'])
  one.close()
  other.close()
})

test('a ring while nobody waits is heard by the next who does, once', async () => {
  const bell = processBell()
  const listener = bell.listen('job_1')
  bell.ring('job_1')
  bell.ring('job_1')
  const started = performance.now()
  await listener.next(60_000)
  assert.ok(performance.now() - started < 1000)
  let isHeard = false
  const next = listener.next(30).then(() => (isHeard = true))
  await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal(isHeard, false)
  await next
  listener.close()
})

test('closing ends the waiting', async () => {
  const listener = processBell().listen('job_1')
  const next = listener.next(60_000)
  listener.close()
  listener.close()
  await next
})
