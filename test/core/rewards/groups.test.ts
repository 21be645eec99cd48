import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupsOf, relativeToGroup } from '../../../src/core/rewards/groups.ts'

test('rows of one group answer one question; a prompt is never taken for a group’s name', () => {
  const items = [{ prompt: 'a' }, { prompt: 'b', group: 'a' }, { prompt: 'a' }, { prompt: 'c', group: 'a' }]
  assert.deepEqual(groupsOf(items), [
    [0, 2],
    [1, 3],
  ])
})

test('advantages, wherever a group’s rows stand: figures by hand', () => {
  const rewards = [1, 5, 0, null, 5, 0.5]
  const groups = [
    [0, 2, 3, 5],
    [1, 4],
  ]
  assert.deepEqual(relativeToGroup(rewards, groups, 'group_mean'), [0.5, 0, -0.5, null, 0, 0])
  // Of 1, 0 and 0.5 the mean is 0.5 and the standard deviation (n − 1) 0.5.
  const expected = [0.5 / 0.5001, 0, -0.5 / 0.5001, null, 0, 0]
  assert.deepEqual(relativeToGroup(rewards, groups, 'group'), expected)
  assert.deepEqual(relativeToGroup([0.7, null], [[0], [1]], 'group'), [0, null])
  assert.deepEqual(relativeToGroup([1, 0, 0.5, null], [[0, 1, 2, 3]], 'leave_one_out'), [0.75, -0.75, 0, null])
})
