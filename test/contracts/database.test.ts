import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openDatabase } from '../helpers/test-app.ts'
import { databaseContract } from './database.ts'

describe('database, on node:sqlite', () => {
  databaseContract(test, async () => (await openDatabase(':memory:')).database)

  test('survives being closed, and migrates only once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gavel-db-'))
    const path = join(folder, 'gavel.sqlite')
    const first = await openDatabase(path)
    const source = { type: 'local' as const, path: '/x' }
    await first.database.models.insert({
      id: 'model_1',
      tenant: 't',
      name: 'm',
      body: { source },
      secret: null,
      createdAt: 1,
    })
    first.close()
    const second = await openDatabase(path)
    assert.deepEqual((await second.database.models.find('t', 'm'))!.body, { source })
    second.close()
    rmSync(folder, { recursive: true })
  })
})
