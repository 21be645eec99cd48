/** `openapi.yaml` is what the routes say: with it, each limit, default and scope that it names is held. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { ROUTES } from '../../../src/routes/app.ts'
import { describeApi } from '../../../src/routes/http/openapi.ts'

test('the committed description is that of the routes', () => {
  const committed: unknown = parse(readFileSync(join(import.meta.dirname, '../../../openapi.yaml'), 'utf8'))
  // As JSON, which has no undefined, as YAML has none.
  const described: unknown = JSON.parse(JSON.stringify(describeApi(ROUTES)))
  assert.deepEqual(described, committed, 'run `npm run openapi`')
})
