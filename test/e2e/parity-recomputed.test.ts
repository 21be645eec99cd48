/** Every family once more, with activations computed again in the backward pass: the same numbers. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkFolder, misses } from '../../scripts/parity.ts'

const FIXTURES = fileURLToPath(new URL('../fixtures/parity/', import.meta.url))

for (const name of readdirSync(FIXTURES)) {
  for (const recompute of ['cheap', 'all'] as const) {
    test(`${name}, recompute ${recompute}`, async () => {
      assert.deepEqual(misses(await checkFolder(join(FIXTURES, name), { recompute })), [])
    })
  }
}
