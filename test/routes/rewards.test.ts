import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp } from '../helpers/test-app.ts'

test('a control draws by what was sent: the same for the same request, another for another', async () => {
  const app = await testApp()
  const reward = { lambda: 0, mu: 1, gate: false, control: { kind: 'random' } }
  const rewards = async (prompt: string) => {
    const items = Array.from({ length: 8 }, (_, i) => ({ prompt, completion: `It is ${i}.` }))
    const { data } = await app.json('/v1/rewards', { json: { reward, items } })
    return data.map((row: { reward: number }) => row.reward) as number[]
  }
  const first = await rewards('one')
  assert.deepEqual(await rewards('one'), first)
  assert.notDeepEqual(await rewards('two'), first)
  app.close()
})

test('rewards come as a whole list, and only what was compared with gold counts as verified', async () => {
  const app = await testApp()
  const gold = { prompt: 'q', completion: 'It is 5.' }
  const items = [{ ...gold, answer: '5' }, gold, { ...gold, answer: '6' }]
  const answer = await app.json('/v1/rewards', {
    json: { reward: { lambda: 1, verifier: 'math', gate: false }, items },
  })
  assert.deepEqual([answer.object, answer.data.length, answer.has_more], ['list', 3, false])
  assert.equal(app.deps.ledger.totals.verified.items, 2)
  app.close()
})
