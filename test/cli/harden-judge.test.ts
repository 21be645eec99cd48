import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFalling, leastFooled } from '../../src/cli/harden-judge.ts'

const rounds = (...fooled: (number | null)[]) => fooled.map((share) => ({ fooled: share, worst_cheat: null }))

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

test('a cheat that a judge accepts more often than the student’s wrong answers counts for as much', () => {
  const round = (fooled: number, rate: number) => ({ fooled, worst_cheat: { attack: 'praise', rate } as const })
  assert.equal(leastFooled([round(0.02, 0.16), round(0.04, 0.01)]), 1)
  assert.equal(leastFooled([round(0.02, 0.03), round(0.04, 0.01)]), 0)
  assert.ok(!isFalling([round(0.1, 0.1), round(0.05, 0.1), round(0.01, 0.1)]))
})
