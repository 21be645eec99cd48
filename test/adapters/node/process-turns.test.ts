import assert from 'node:assert/strict'
import { test } from 'node:test'
import { processTurns } from '../../../src/adapters/node/process-turns.ts'

const hold = (ms: number) => {
  const until = performance.now() + ms
  while (performance.now() < until);
}

test('it is another’s turn once the loop was held for some ms, whoever held it', async () => {
  const turns = processTurns()
  assert.equal(turns.due(), false)
  hold(12)
  assert.equal(turns.due(), true)
  await turns.next('t')
  assert.equal(turns.due(), false)
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(turns.due(), false, 'a loop that was idle was not held')
})

test('names take turns, and the callers of each in the order they came', async () => {
  const turns = processTurns()
  const order: string[] = []
  const take = (whose: string, name: string) => turns.next(whose).then(() => order.push(name))
  await Promise.all([take('a', 'a1'), take('a', 'a2'), take('a', 'a3'), take('b', 'b1'), take('c', 'c1')])
  assert.deepEqual(order, ['a1', 'b1', 'c1', 'a2', 'a3'])
})

test('between two turns the loop comes round: what waits on it is served', async () => {
  const turns = processTurns()
  let isDone = false
  let rounds = 0
  const work = async () => {
    for (let i = 0; i < 20; i++) {
      hold(10)
      if (turns.due()) await turns.next('t')
    }
    isDone = true
  }
  const both = [work(), work()]
  while (!isDone) {
    await new Promise((resolve) => setTimeout(resolve, 0))
    rounds++
  }
  await Promise.all(both)
  assert.ok(rounds >= 10, `${rounds}`)
})
