import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describedRoutes } from '../../../src/routes/http/describe.ts'

test('the description is made when it is first asked for, and once', async () => {
  const routes = describedRoutes([])
  const ask = () => routes.find(({ path }) => path === '/openapi.json')!.handler({} as never)
  const first = (await ask()) as { paths: object }
  assert.deepEqual(Object.keys(first.paths).sort(), ['/docs', '/openapi.json'])
  assert.equal(await ask(), first)
})
