import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DataCursor } from '../../../src/core/rl/data-cursor.ts'

const sorted = (values: number[]) => [...values].sort((a, b) => a - b)

test('each epoch takes every row once, in an order of its own', () => {
  const cursor = new DataCursor(50, 'labelled/3')
  const epochs = [cursor.take(50), cursor.take(50)]
  const all = Array.from({ length: 50 }, (_, i) => i)
  assert.deepEqual(epochs.map(sorted), [all, all])
  assert.notDeepEqual(epochs[0], epochs[1])
  assert.notDeepEqual(epochs[0], all)
  assert.notDeepEqual(epochs[0], new DataCursor(50, 'unlabelled/3').take(50))
})

test('resumes exactly from every position, the end of an epoch included', () => {
  for (let taken = 0; taken <= 15; taken++) {
    const cursor = new DataCursor(7, 1)
    cursor.take(taken)
    const state = JSON.parse(JSON.stringify(cursor.state()))
    assert.deepEqual(new DataCursor(7, 1, state).take(20), cursor.take(20), `after ${taken} rows`)
  }
})

test('crosses epochs within one take, and goes round a single row', () => {
  const cursor = new DataCursor(3, 1)
  assert.equal(cursor.take(8).length, 8)
  assert.deepEqual(cursor.state(), { epoch: 2, position: 2 })
  assert.deepEqual(new DataCursor(1, 1).take(3), [0, 0, 0])
})

test('refuses no rows, and a state of another dataset', () => {
  assert.throws(() => new DataCursor(0, 1), /at least one row/)
  assert.throws(() => new DataCursor(5, 1, { epoch: 0, position: 5 }), /does not fit 5 rows/)
})
