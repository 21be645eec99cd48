import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDatabase } from '../../src/adapters/database/create-database.ts'
import { folderBlobStore } from '../../src/adapters/node/folder-blob-store.ts'
import { migrate } from '../../src/adapters/node/migrate.ts'
import { bodyRoom } from '../../src/adapters/node/body-room.ts'
import { processTurns } from '../../src/adapters/node/process-turns.ts'
import { processBell } from '../../src/adapters/node/process-bell.ts'
import { SqliteD1 } from '../../src/adapters/node/sqlite-d1.ts'
import { datasetLimits } from '../../src/core/datasets/row-checker.ts'
import { sha256Hex } from '../../src/core/sha256.ts'
import { createApp } from '../../src/routes/app.ts'
import type { Deps } from '../../src/service/deps.ts'
import { secretBox } from '../../src/service/keys.ts'
import { CountedCache } from '../../src/service/usage/counted-cache.ts'
import { Ledger } from '../../src/service/usage/ledger.ts'
import { memoryRateWindows } from '../../src/service/usage/rate-windows.ts'
import { testApi, type TestApi } from './test-api.ts'

const MIGRATIONS = join(import.meta.dirname, '../../migrations')

/** A real database with all migrations, of Node. */
export async function openDatabase(path: string) {
  const sqlite = new SqliteD1(path)
  await migrate(sqlite, MIGRATIONS)
  const database = createDatabase(sqlite as unknown as Parameters<typeof createDatabase>[0])
  return { database, sqlite, close: () => sqlite.close() }
}

export interface TestApp extends TestApi {
  sqlite: SqliteD1
  close(): void
}

/** The API as on Node, with a clock to turn. `changes` put other ports in. */
export async function testApp(changes: Partial<Deps> = {}): Promise<TestApp> {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-app-'))
  const clock = { time: Date.parse('2026-01-01T00:00:00Z'), now: () => clock.time }
  const entropy = { bytes: (count: number) => new Uint8Array(randomBytes(count)) }
  const { database, sqlite, close } = await openDatabase(':memory:')
  const ledger = new Ledger(database.usage, clock, entropy)
  const errors: unknown[] = []
  const deps: Deps = {
    database,
    ledger,
    judgments: new CountedCache(database.judgments, ledger),
    rates: memoryRateWindows(),
    metrics: null,
    log: null,
    blobs: folderBlobStore(folder),
    clock,
    entropy,
    bell: processBell(),
    checks: null,
    turns: processTurns(),
    bodyRoom: bodyRoom(),
    secrets: secretBox('a passphrase for the tests, quite long', entropy),
    adminKeySha256: await sha256Hex('admin-key'),
    allowPrivateUrls: false,
    judgeClient: () => {
      throw new Error('this test asks no judge')
    },
    programs: null,
    datasetLimits: datasetLimits({}),
    judgeWindowMs: 5,
    logError: (error) => errors.push(error),
    ...changes,
  }
  const app = createApp(deps)
  const api = testApi(deps, async (request) => app.fetch(request), clock, errors)
  return {
    ...api,
    sqlite,
    close() {
      close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
