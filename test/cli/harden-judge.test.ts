import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFalling, leastFooled } from '../../src/cli/harden-judge.ts'

const rounds = (...fooled: (number | null)[]) => fooled.map((share) => ({ fooled: share }))

test('hardening goes on over one round that did not help, and ends after two', () => {
  assert.ok(isFalling(rounds(0.9)))
  assert.ok(isFalling(rounds(0.9, 0.3, 0.4)))
  assert.ok(isFalling(rounds(0.9, 0.3, 0.4, 0.2)))
  assert.ok(!isFalling(rounds(0.9, 0.3, 0.4, 0.3)))
  assert.ok(!isFalling(rounds(0.3, null)), 'nothing is wrong any more')
})

test('the best judge is the one that was fooled least, by no wrong answer best of all', () => {
  assert.equal(leastFooled(rounds(0.9, 0.3, 0.4, 0.3)), 1)
  assert.equal(leastFooled(rounds(0.9, 0.3, null)), 2)
})
