import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp } from '../helpers/test-app.ts'

const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }

test('a recipe is shown as it was given, its judges fixed to the versions there were', async () => {
  const app = await testApp()
  const judgeId = async (name: string) => (await app.json('/v1/judges', { json: { name, provider } })).id as string
  const [judge, reranker] = [await judgeId('j'), await judgeId('r')]
  const given = { lambda: 0.5, mu: 0.25, rho: 0.125, verifier: 'math', normalise: 'none' }
  const { id } = await app.json('/v1/recipes', { json: { name: 'n', ...given, judge: 'j', reranker: 'r' } })
  assert.notEqual(await judgeId('j'), judge)
  const shown = await app.json('/v1/recipes/n')
  const expected = { id, object: 'reward', name: 'n', version: 1, ...given, judge, reranker }
  assert.deepEqual({ ...shown, ...expected }, shown)
  app.close()
})

test('a recipe with a judge that there is not is refused', async () => {
  const app = await testApp()
  for (const role of ['judge', 'reranker']) {
    const weight = role === 'judge' ? { mu: 1 } : { rho: 1 }
    const { error } = await app.json('/v1/recipes', { json: { lambda: 0, ...weight, [role]: 'nobody' } }, 404)
    assert.deepEqual([error.code, error.param], ['not_found', role])
  }
  app.close()
})
