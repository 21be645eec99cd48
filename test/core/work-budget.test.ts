import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BodyRoom, Turns } from '../../src/core/ports.ts'
import { MAX_PROMPT_CHARS, unlimited, WorkBudget } from '../../src/core/work-budget.ts'

const LIMITS = { processorMs: 100, waitMs: 1000, promptChars: 2_000_000 }

/** Turns with a clock to turn; `dueAfter` ms of work it is another's. */
function turns({ unseen = 0, waits = 0, dueAfter = 10 } = {}) {
  const clock = { time: 0, since: 0, taken: [] as string[] }
  const own: Turns = {
    now: () => clock.time,
    worked: () => clock.time,
    due: () => clock.time - clock.since >= dueAfter,
    async next(whose) {
      clock.taken.push(whose)
      clock.time += waits
      clock.since = clock.time
      return unseen
    },
  }
  return { clock, own }
}
const ITEMS = Array.from({ length: 30 }, (_, i) => i)
const at = (i: number) => `items[${i}]`

test('work is done in order, and others have their turn when the processor was held for long', async () => {
  const { clock, own } = turns()
  const work = new WorkBudget(own, null, 'acme', LIMITS)
  const done = await work.map([1, 2, 3, 4, 5], at, (item) => {
    clock.time += 6
    return 2 * item
  })
  assert.deepEqual(done, [2, 4, 6, 8, 10])
  assert.deepEqual(clock.taken, ['acme', 'acme'])
})

test('pieces that give promises go on side by side, and the first failure is the caller’s alone', async () => {
  const work = unlimited()
  const order: string[] = []
  const later = async (name: string) => {
    order.push(`${name} begins`)
    await Promise.resolve()
    order.push(`${name} ends`)
    return name
  }
  assert.deepEqual(await work.map(['a', 'b'], at, later), ['a', 'b'])
  assert.deepEqual(order, ['a begins', 'b begins', 'a ends', 'b ends'])
  await assert.rejects(
    work.map([1, 2], at, (n) => Promise.reject(new Error(`no ${n}`))),
    /no 1/,
  )
})

test('what takes more of the processor than one request may ends with the item that was next', async () => {
  const { clock, own } = turns()
  const work = new WorkBudget(own, null, 't', LIMITS)
  const slow = () => void (clock.time += 40)
  await assert.rejects(work.map([1, 2, 3, 4, 5], at, slow), {
    code: 'too_large',
    param: 'items[3]',
    message: /after the 0\.1 s that one may take, `items\[3\]` was still to be done\. Send less/,
  })
})

test('time that no clock shows while it passes is charged, too', async () => {
  const { own } = turns({ unseen: 60, dueAfter: 0 })
  const work = new WorkBudget(own, null, 't', LIMITS)
  await assert.rejects(
    work.map(ITEMS, at, () => {}),
    { code: 'too_large', param: 'items[17]' },
  )
})

test('who waits too long for turns is told that the process is busy, and when to come again', async () => {
  const { own } = turns({ waits: 300, dueAfter: 0 })
  const work = new WorkBudget(own, null, 't', LIMITS)
  await assert.rejects(work.map(ITEMS, at, () => {}), (error: { code: string; status: number; retryAfter: number }) => {
    assert.deepEqual([error.code, error.status, error.retryAfter], ['busy', 503, 5])
    return true
  }) // prettier-ignore
})

test('a prompt has a length, and all prompts of a request have one', () => {
  const { own } = turns()
  const work = new WorkBudget(own, null, 't', LIMITS)
  assert.throws(() => work.prompt(MAX_PROMPT_CHARS + 1, 'items[0]'), { code: 'prompt_too_long', param: 'items[0]' })
  work.prompt(MAX_PROMPT_CHARS, 'items[1]')
  work.prompt(MAX_PROMPT_CHARS, 'items[2]')
  assert.throws(() => work.prompt(1, 'items[3]'), { code: 'too_large', param: 'items[3]' })
})

test('what is held is given back, once', () => {
  const calls: unknown[] = []
  const room: BodyRoom = {
    take: (...call) => (calls.push(call), call[1] + call[2] <= 10),
    give: (...call) => void calls.push(call),
  }
  const work = new WorkBudget(turns().own, room, 'acme', LIMITS)
  work.hold(4)
  work.hold(5)
  assert.throws(() => work.hold(2), { code: 'busy', retryAfter: 5 })
  work.release()
  work.release()
  assert.deepEqual(calls, [['acme', 0, 4], ['acme', 4, 5], ['acme', 9, 2], ['acme', 9], ['acme', 0]]) // prettier-ignore
})
