import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp } from '../helpers/test-app.ts'

test('what was verified comes as a whole list, in order', async () => {
  const app = await testApp()
  const items = [{ text: 'a', gold: 'a' }, { text: 'b', gold: 'a' }] // prettier-ignore
  const { object, data, has_more } = await app.json('/v1/verify', { json: { verifier: 'exact', items } })
  assert.deepEqual([object, has_more], ['list', false])
  assert.deepEqual(data.map(({ correct }: { correct: boolean }) => correct), [true, false]) // prettier-ignore
  app.close()
})
