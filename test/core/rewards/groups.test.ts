import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupsOf, relativeToGroup } from '../../../src/core/rewards/groups.ts'
import { rewardResolution } from '../../../src/core/rewards/resolution.ts'

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
  assert.deepEqual(relativeToGroup(rewards, groups, 'group_mean', 0), [0.5, 0, -0.5, null, 0, 0])
  // Of 1, 0 and 0.5 the mean is 0.5 and the standard deviation (n − 1) 0.5.
  const expected = [0.5 / 0.5001, 0, -0.5 / 0.5001, null, 0, 0]
  assert.deepEqual(relativeToGroup(rewards, groups, 'group', 0), expected)
  assert.deepEqual(relativeToGroup([0.7, null], [[0], [1]], 'group', 0), [0, null])
  assert.deepEqual(relativeToGroup([1, 0, 0.5, null], [[0, 1, 2, 3]], 'leave_one_out', 0), [0.75, -0.75, 0, null])
})

test('what no judge can tell apart is the same: by how much judges weigh', () => {
  const recipe = (weights: object) => ({ mu: 0, rho: 0, normalise: 'row' as const, ...weights })
  assert.equal(rewardResolution(recipe({})), 0, 'a verifier is exact')
  assert.equal(rewardResolution(recipe({ mu: 1 })), 2 ** -20)
  assert.equal(rewardResolution(recipe({ mu: 3, rho: 4 })), 2 ** -20, 'weights of a row add up to 1')
  assert.equal(rewardResolution(recipe({ mu: 3, rho: 4, normalise: 'none' })), 7 * 2 ** -20)
  assert.equal(rewardResolution(recipe({ mu: 0.01, normalise: 'none' })), 0.01 * 2 ** -20)
  const noise = [0.5, 0.5 + 1e-7, 0.5 + 2e-7]
  assert.deepEqual(relativeToGroup(noise, [[0, 1, 2]], 'group', 2 ** -20), [0, 0, 0])
  assert.notDeepEqual(relativeToGroup(noise, [[0, 1, 2]], 'group', 0), [0, 0, 0])
})
