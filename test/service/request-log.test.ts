import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeError } from '../../src/service/request-log.ts'

interface Described {
  name: string
  message?: string
  stack?: string
  cause?: Described
}

test('an error is told with its causes, and without the values of a query', () => {
  const query = new Error('Failed query: insert into x values (?)\nparams: what a user wrote,\nover lines')
  const error = new TypeError('it broke', { cause: query })
  const told = describeError(error) as Described
  assert.deepEqual([told.name, told.message], ['TypeError', 'it broke'])
  assert.match(told.stack!, /^ {4}at .*request-log\.test/)
  assert.deepEqual([told.cause!.name, told.cause!.message], ['Error', 'Failed query: insert into x values (?)'])
  assert.match(told.cause!.stack!, /^ {4}at /)
  assert.ok(!JSON.stringify(told).includes('user wrote'))
  assert.equal('cause' in told.cause!, false)
})

test('an error that says nothing is told by where it was thrown', () => {
  assert.match((describeError(new Error()) as Described).stack!, /^ {4}at .*request-log\.test/m)
})

test('what is thrown without being an error is told by its kind alone', () => {
  assert.deepEqual(describeError('what a user wrote'), { name: 'string' })
  assert.deepEqual(describeError(null), { name: 'object' })
  assert.deepEqual((describeError(new Error('x', { cause: 7 })) as Described).cause, { name: 'number' })
})

test('what a user wrote stays out of the log, whatever it looks like', () => {
  const query = new Error('Failed query: insert into jobs\nparams: secret\n    at secret (secret.ts:1:1)\nsecret')
  assert.doesNotMatch(JSON.stringify(describeError(query)), /secret/)
  assert.match((describeError(query) as Described).stack!, /^ {4}at .*request-log\.test/)
  // A stack that is not the message's own, nothing of which is known.
  const other = Object.assign(new Error('Failed\nparams: a'), { stack: 'Error: secret\n    at secret' })
  assert.doesNotMatch(JSON.stringify(describeError(other)), /secret/)
})
