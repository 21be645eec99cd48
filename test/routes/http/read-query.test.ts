import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as v from 'valibot'
import { fields } from '../../../src/core/schemas/fields.ts'
import { pageQuery } from '../../../src/routes/http/page.ts'
import { readQuery } from '../../../src/routes/http/read-query.ts'

const read = (query: string, schema: v.GenericSchema | undefined = pageQuery({ state: v.optional(v.string()) })) =>
  readQuery(`http://x/?${query}`, schema)
const refusal = (query: string, schema?: v.GenericSchema) => {
  try {
    read(query, schema)
  } catch (error) {
    const { code, param, message } = error as { code: string; param: string; message: string }
    return { code, param, message }
  }
  return assert.fail(`${query} is taken`)
}

test('numbers are read where one is wanted, and texts are left as they are', () => {
  assert.deepEqual(read(''), { limit: 20 })
  assert.deepEqual(read('limit=7&state=12&after=3'), { limit: 7, state: '12', after: '3' })
  assert.deepEqual(read('limit=1e1'), { limit: 10 })
  assert.deepEqual(readQuery('http://x/?n=-2.5', fields({ n: v.number() })), { n: -2.5 })
  for (const query of ['limit=', 'limit=x', 'limit=0x10', 'limit=%201', 'limit=0', 'limit=1.5'])
    assert.deepEqual([refusal(query).code, refusal(query).param], ['invalid_request', 'limit'], query)
})

test('what is unknown is refused with what is known, what is given twice by its name', () => {
  assert.deepEqual(refusal('sort=up'), {
    code: 'invalid_request',
    param: 'sort',
    message: '`sort` is not a query parameter here; known: after, limit, state.',
  })
  assert.deepEqual(refusal('limit=1&limit=1'), {
    code: 'invalid_request',
    param: 'limit',
    message: '`limit` is given more than once; give it once.',
  })
  const long = refusal(`${'x'.repeat(101)}=1`)
  assert.equal(long.param, 'x'.repeat(100))
  assert.ok(long.message.startsWith(`\`${'x'.repeat(100)}\` is not`))
})

test('a route without a query takes none', () => {
  assert.equal(readQuery('http://x/', undefined), undefined)
  assert.throws(() => readQuery('http://x/?a=1', undefined), { message: '`a` is not a query parameter here; known: none.' }) // prettier-ignore
})
