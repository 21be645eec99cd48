import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FairQueue } from '../../../src/gpu-worker/sandbox/fair-queue.ts'

interface Item {
  tenant: string
  request: object
  name: string
}
const requests = new Map<string, object>()
/** `a1.2`: tenant a, its request 1, the second of it. */
function item(name: string): Item {
  const request = name.slice(0, 2)
  if (!requests.has(request)) requests.set(request, {})
  return { tenant: name[0]!, request: requests.get(request)!, name }
}
function queueOf(...names: string[]): FairQueue<Item> {
  const queue = new FairQueue<Item>()
  for (const name of names) queue.add(item(name))
  return queue
}
const NOBODY = new Map<string, number>()

test('tenants take turns, then requests, then those of a request in order', () => {
  const queue = queueOf('a1.1', 'a1.2', 'a1.3', 'a2.1', 'b1.1', 'b1.2')
  const order = Array.from({ length: 7 }, () => queue.take(NOBODY, 1)?.name)
  assert.deepEqual(order, ['a1.1', 'b1.1', 'a2.1', 'b1.2', 'a1.2', 'a1.3', undefined])
})

test('who has fewest under way is first, and who has its share waits', () => {
  const queue = queueOf('a1.1', 'b1.1', 'b1.2')
  assert.equal(queue.ready(NOBODY, 3), 3)
  const underWay = new Map([
    ['a', 2],
    ['b', 1],
  ])
  assert.equal(queue.ready(underWay, 2), 1)
  assert.equal(queue.take(underWay, 3)!.name, 'b1.1')
  assert.equal(queue.take(new Map([['b', 1]]), 1)!.name, 'a1.1')
  assert.equal(queue.take(new Map([['b', 1]]), 1), undefined)
  assert.equal(queue.take(NOBODY, 1)!.name, 'b1.2')
})

test('counts what waits, and takes out what is not wanted', () => {
  const queue = queueOf('a1.1', 'a2.1', 'b1.1')
  const [first] = [item('a3.1')]
  queue.add(first!)
  assert.deepEqual([queue.waiting('a'), queue.waiting('a', first!.request), queue.waiting('c')], [3, 1, 0])
  queue.remove(first!)
  queue.remove(first!)
  assert.deepEqual([queue.waiting('a'), queue.waiting('a', first!.request)], [2, 0])
  assert.deepEqual(queue.clear().map(({ name }) => name), ['a1.1', 'a2.1', 'b1.1']) // prettier-ignore
  assert.equal(queue.take(NOBODY, 1), undefined)
})
