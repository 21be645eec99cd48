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

test('what is thrown without being an error is told by its kind alone', () => {
  assert.deepEqual(describeError('what a user wrote'), { name: 'string' })
  assert.deepEqual(describeError(null), { name: 'object' })
  assert.deepEqual((describeError(new Error('x', { cause: 7 })) as Described).cause, { name: 'number' })
})
