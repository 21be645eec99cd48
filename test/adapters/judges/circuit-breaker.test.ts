import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CircuitBreaker } from '../../../src/adapters/judges/circuit-breaker.ts'

function breaker() {
  const clock = { time: 0, now: () => clock.time }
  return { clock, breaker: new CircuitBreaker({ clock, failures: 3, openMs: 100, maxOpenMs: 300 }) }
}
const failTimes = (b: CircuitBreaker, times: number) => {
  for (let i = 0; i < times; i++) b.failed()
}

test('only failures in a row open it', () => {
  const { breaker: b } = breaker()
  failTimes(b, 2)
  b.succeeded()
  failTimes(b, 2)
  assert.equal(b.enter(), 0)
  b.failed()
  assert.deepEqual([b.isOpen, b.enter()], [true, 100])
})

test('half-open, one probe goes through, and its success closes it', () => {
  const { breaker: b, clock } = breaker()
  failTimes(b, 3)
  clock.time = 99
  assert.equal(b.enter(), 1)
  clock.time = 100
  assert.equal(b.enter(), 0)
  assert.equal(b.enter(), 100, 'a second one waits for the first')
  b.succeeded()
  assert.deepEqual([b.isOpen, b.enter()], [false, 0])
  failTimes(b, 2)
  assert.equal(b.enter(), 0, 'the count begins anew')
})

test('a probe that fails opens it for twice as long, up to a limit', () => {
  const { breaker: b, clock } = breaker()
  failTimes(b, 3)
  for (const wait of [200, 300, 300]) {
    clock.time += b.enter()
    assert.equal(b.enter(), 0)
    b.failed()
    assert.equal(b.enter(), wait)
  }
})

test('calls that were let through before it opened do not prolong it, and a probe given up is followed by another', () => {
  const { breaker: b, clock } = breaker()
  failTimes(b, 3)
  clock.time = 50
  failTimes(b, 4)
  assert.equal(b.enter(), 50)
  clock.time = 100
  assert.equal(b.enter(), 0)
  b.undecided()
  assert.equal(b.enter(), 0)
})

test('a clock that is put back keeps it open no longer than it would be', () => {
  const { breaker: b, clock } = breaker()
  clock.time = 1e7
  failTimes(b, 3)
  clock.time = 0
  assert.equal(b.enter(), 100)
  clock.time = 100
  assert.equal(b.enter(), 0)
})
