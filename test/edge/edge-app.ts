import { applyD1Migrations, reset, type D1Migration } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { r2BlobStore } from '../../src/adapters/cloudflare/r2-blob-store.ts'
import { createDatabase } from '../../src/adapters/database/create-database.ts'
import { depsFrom, type Env } from '../../src/cloudflare.ts'
import { createApp } from '../../src/routes/app.ts'
import type { Deps } from '../../src/service/deps.ts'
import { secretBox } from '../../src/service/keys.ts'
import { CountedCache } from '../../src/service/usage/counted-cache.ts'
import { Ledger } from '../../src/service/usage/ledger.ts'
import { testApi, type TestApi } from '../helpers/test-api.ts'

export const bindings = env as unknown as Env & { MIGRATIONS: D1Migration[] }

/** Empties D1 and R2: what tests leave behind stays otherwise. */
export async function emptied(): Promise<typeof bindings> {
  await reset()
  await applyD1Migrations(bindings.DATABASE, bindings.MIGRATIONS)
  return bindings
}

export const emptyDatabase = async () => createDatabase((await emptied()).DATABASE)
export const emptyBucket = async () => r2BlobStore((await emptied()).OBJECTS, null)

/** The API with the Worker's own dependencies, and a clock to turn. */
export async function edgeApp(changes: Partial<Deps> = {}): Promise<TestApi & { close(): void }> {
  const clock = { time: Date.parse('2026-01-01T00:00:00Z'), now: () => clock.time }
  const errors: unknown[] = []
  const real = await depsFrom(await emptied())
  const ledger = new Ledger(real.database.usage, clock, real.entropy)
  const deps: Deps = {
    ...real,
    clock,
    log: null,
    ledger,
    judgments: new CountedCache(real.database.judgments, ledger),
    secrets: secretBox('a passphrase for the tests, quite long', real.entropy),
    logError: (error) => errors.push(error),
    ...changes,
  }
  const app = createApp(deps)
  return { ...testApi(deps, async (request) => app.fetch(request), clock, errors), close() {} }
}
