import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unitsOf, type Route } from '../../../src/routes/http/route.ts'

const units = (body: unknown, more: Partial<Route> = {}) =>
  unitsOf({ scope: 'judge', method: 'POST', ...more } as Route, body)

test('a request that scores counts as the items of its longest array, and as one at least', () => {
  assert.equal(units({ items: [1, 2, 3], names: ['a'], text: 'long text' }), 3)
  assert.equal(units({ names: ['a'], items: [1, 2, 3] }), 3)
  assert.equal(units([1, 2]), 2)
  assert.equal(units([{ messages: [1, 2, 3] }]), 1)
  for (const none of [{}, [], { items: [] }, { items: 'five' }, null, undefined, 'text']) assert.equal(units(none), 1)
})

test('a route may count its items itself; what does not score counts as one', () => {
  assert.equal(units({ items: [1, 2, 3] }, { items: () => 7 }), 7)
  assert.equal(units({ items: [1, 2, 3] }, { items: () => 0 }), 1)
  assert.equal(units({ items: [1, 2, 3] }, { scope: 'data' }), 1)
  assert.equal(units({ items: [1, 2, 3] }, { method: 'GET' }), 1)
  assert.equal(units({ items: [1, 2, 3] }, { scope: null }), 1)
})
