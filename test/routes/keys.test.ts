import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp } from '../helpers/test-app.ts'

test('a key is shown with the rate and the budget it was made with, then and later', async () => {
  const app = await testApp()
  const limits = { rate: { items: 5, seconds: 60 }, budget: { items: 9, per: 'day' } }
  const made = [
    await app.json('/v1/keys', { json: { scopes: ['judge'], ...limits } }),
    await app.json('/v1/keys', { json: { scopes: ['judge'] } }),
  ]
  const { data } = await app.json('/v1/keys')
  for (const keys of [made, made.map(({ id }) => data.find((key: { id: string }) => key.id === id))]) {
    const shown = keys.map(({ rate, budget }: { rate: unknown; budget: unknown }) => ({ rate, budget }))
    assert.deepEqual(shown, [limits, { rate: null, budget: null }])
  }
  app.close()
})
