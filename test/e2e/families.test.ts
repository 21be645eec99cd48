/** Families of decoders, held to what transformers makes of a tiny one of each, whose settings are those of real files. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkFolder, misses } from '../../scripts/parity.ts'

const FIXTURES = fileURLToPath(new URL('../fixtures/families/', import.meta.url))

for (const name of readdirSync(FIXTURES)) {
  test(`${name} has the logits, greedy ids and gradients that it has in transformers`, async () => {
    const checks = await checkFolder(join(FIXTURES, name))
    assert.ok(checks.length > 20, `${checks.length} quantities`)
    assert.deepEqual(misses(checks), [])
  })
}
