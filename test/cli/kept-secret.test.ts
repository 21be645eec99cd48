import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { keptSecret } from '../../src/cli/kept-secret.ts'

test('a secret is made once for a folder, and nobody else may read it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-secret-'))
  const [first, other] = [join(folder, 'a'), join(folder, 'b')]
  const secret = keptSecret(first)
  assert.match(secret, /^[0-9a-f]{64}$/)
  assert.equal(keptSecret(first), secret)
  assert.notEqual(keptSecret(other), secret)
  assert.equal(statSync(join(first, 'secret-key')).mode & 0o777, 0o600)
  rmSync(folder, { recursive: true })
})
