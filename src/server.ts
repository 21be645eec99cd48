/** The API as one Node process: SQLite, and a folder or a bucket for objects. */
import { serve } from '@hono/node-server'
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createDatabase } from './adapters/database/create-database.ts'
import { judgeClients } from './adapters/judge-clients.ts'
import { folderBlobStore } from './adapters/node/folder-blob-store.ts'
import { guardedFetch } from './adapters/node/guarded-fetch.ts'
import { jsonLog, type JsonLog } from './adapters/node/json-log.ts'
import { migrate } from './adapters/node/migrate.ts'
import { checkThread } from './adapters/node/check-thread.ts'
import { bodyRoom } from './adapters/node/body-room.ts'
import { processBell } from './adapters/node/process-bell.ts'
import { apiGauges, processGauges } from './adapters/node/process-gauges.ts'
import { processTurns } from './adapters/node/process-turns.ts'
import { s3BlobStore, type S3Options } from './adapters/node/s3-blob-store.ts'
import { SqliteD1 } from './adapters/node/sqlite-d1.ts'
import { datasetLimits, type DatasetLimits } from './core/datasets/row-checker.ts'
import type { BlobStore, JudgeClient } from './core/ports.ts'
import type { OwnedJudge } from './core/schemas/worker.ts'
import { sha256Hex } from './core/sha256.ts'
import { PythonSandbox } from './gpu-worker/sandbox/python-sandbox.ts'
import { createApp } from './routes/app.ts'
import type { Deps } from './service/deps.ts'
import { sweepUploads } from './service/datasets/uploads.ts'
import { sweepJobs } from './service/jobs/change.ts'
import { sweepObjects } from './service/jobs/collect.ts'
import { secretBox } from './service/keys.ts'
import { Metrics } from './service/metrics.ts'
import { CountedCache } from './service/usage/counted-cache.ts'
import { Ledger } from './service/usage/ledger.ts'
import { memoryRateWindows } from './service/usage/rate-windows.ts'
import { writeCounts } from './service/usage/write-counts.ts'

const MIGRATIONS = fileURLToPath(new URL('../migrations', import.meta.url))
/** How often jobs are looked through whose workers fell silent, in ms. */
const SWEEP_MS = 15_000
/** How often what was used is written down, in ms. */
const WRITE_MS = 1000
/** Long enough for a rollout's requests to meet, short beside what a judge takes. */
const JUDGE_WINDOW_MS = 5

/** How long a client may take for the head of a request and for all of it, in ms, and how many bytes the head may have. */
const SERVER_LIMITS = {
  headersTimeout: 20_000,
  requestTimeout: 600_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 16_384,
}
/** Most connections at once: more are closed when they come. */
const MAX_CONNECTIONS = 10_000

export interface ServerOptions {
  /** Where the database lies, and the objects unless `s3` is given. Created when absent. */
  dataDir: string
  host?: string
  /** 0 takes a free one. */
  port?: number
  /** The operator's bootstrap admin key. */
  adminKey: string | null
  /** What providers' secrets are encrypted with; without one they are refused. */
  secretKey: string | null
  allowPrivateUrls?: boolean
  s3?: S3Options | null
  /** The largest dataset that is taken. */
  datasetLimits?: DatasetLimits
  /** Whether each request is logged, or errors only (the default); and with what was sent to be scored. */
  log?: { requests: boolean; bodies: boolean }
  /** Makes the client of a local judge, where this process runs models. Objects are read by their key (`url`). */
  localJudge?: (judge: OwnedJudge, blobs: BlobStore) => JudgeClient
}

export interface RunningServer {
  url: string
  close(): Promise<void>
}

/** Programs that wait for the sandbox. */
const MOST_PROGRAMS_WAITING = { request: 2048, tenant: 4096 }

/** Opens the database (bringing it up to date), and listens. @throws when the port is taken or the folder unusable */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  mkdirSync(options.dataDir, { recursive: true })
  const sqlite = new SqliteD1(join(options.dataDir, 'gavel.sqlite'))
  await migrate(sqlite, MIGRATIONS)
  const log = jsonLog({
    write: (text) => process.stderr.write(text),
    ...(options.log ?? { requests: false, bodies: false }),
  })
  const sandbox = new PythonSandbox({ mostWaiting: MOST_PROGRAMS_WAITING })
  const checks = checkThread()
  const deps = await createDeps(options, sqlite, log, sandbox, checks)
  const { host: hostname = '127.0.0.1', port = 0 } = options

  const app = createApp(deps)
  const server = await new Promise<ReturnType<typeof serve>>((resolve, reject) => {
    const listening = serve(
      { fetch: app.fetch, hostname, port, overrideGlobalObjects: false, serverOptions: SERVER_LIMITS },
      () => resolve(listening),
    )
    listening.once('error', reject)
  })
  server.maxConnections = MAX_CONNECTIONS
  const sweep = setInterval(() => {
    sweepJobs(deps)
      .then(() => sweepObjects(deps))
      .then(() => sweepUploads(deps))
      .catch((error: unknown) => deps.logError(error, 'sweep'))
  }, SWEEP_MS)
  const writing = setInterval(() => void writeCounts(deps), WRITE_MS)

  const address = server.address() as AddressInfo
  const shownHost = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return {
    url: `http://${shownHost === '0.0.0.0' ? '127.0.0.1' : shownHost}:${address.port}`,
    async close() {
      clearInterval(sweep)
      await new Promise((resolve) => {
        server.close(resolve)
        if ('closeAllConnections' in server) server.closeAllConnections()
      })
      clearInterval(writing)
      await writeCounts(deps)
      log.flush()
      sandbox.close()
      await checks.close()
      sqlite.close()
    },
  }
}

async function createDeps(
  options: ServerOptions,
  sqlite: SqliteD1,
  log: JsonLog,
  sandbox: PythonSandbox,
  checks: Deps['checks'],
): Promise<Deps> {
  const { adminKey, secretKey, allowPrivateUrls = false, s3, localJudge } = options
  const clock = { now: () => Date.now() }
  const entropy = { bytes: (count: number) => new Uint8Array(randomBytes(count)) }
  const blobs = s3 ? s3BlobStore(s3) : folderBlobStore(join(options.dataDir, 'objects'))
  const database = createDatabase(sqlite)
  const ledger = new Ledger(database.usage, clock, entropy)
  const judgments = new CountedCache(database.judgments, ledger)
  const metrics = new Metrics()
  metrics.add(...apiGauges({ ledger, judgments, jobs: database.jobs }), ...processGauges())
  return {
    database,
    ledger,
    judgments,
    metrics,
    log: options.log?.requests ? log : null,
    rates: memoryRateWindows(),
    blobs,
    clock,
    entropy,
    bell: processBell(),
    checks,
    turns: processTurns(),
    bodyRoom: bodyRoom(),
    secrets: secretBox(secretKey, entropy),
    adminKeySha256: adminKey === null ? null : await sha256Hex(adminKey),
    allowPrivateUrls,
    judgeClient: judgeClients({
      fetch: guardedFetch(allowPrivateUrls),
      local: localJudge && ((judge) => localJudge(judge, blobs)),
    }),
    programs: sandbox,
    datasetLimits: options.datasetLimits ?? datasetLimits({}),
    judgeWindowMs: JUDGE_WINDOW_MS,
    logError: (error, requestId) => log.error(error, requestId),
  }
}

type Env = Record<string, string | undefined>

/** @throws Error naming the variable that is missing or wrong */
export function optionsFromEnv(env: Env): ServerOptions {
  const port = env.GAVEL_PORT ?? '8080'
  if (!/^\d{1,5}$/.test(port)) throw new Error(`GAVEL_PORT must be a port number, but is ${JSON.stringify(port)}.`)
  const secretKey = env.GAVEL_SECRET_KEY || null
  if (secretKey !== null && secretKey.length < 32) throw new Error('GAVEL_SECRET_KEY must have at least 32 characters.')
  return {
    dataDir: env.GAVEL_DATA ?? '.gavel',
    host: env.GAVEL_HOST ?? '127.0.0.1',
    port: Number(port),
    adminKey: env.GAVEL_API_KEY || null,
    secretKey,
    allowPrivateUrls: env.GAVEL_ALLOW_PRIVATE_URLS === '1',
    s3: s3FromEnv(env),
    datasetLimits: datasetLimits(env),
    log: logFromEnv(env, 'requests'),
  }
}

/** What is logged: GAVEL_LOG, or else `unless`. */
export function logFromEnv(env: Env, unless: 'requests' | 'errors'): NonNullable<ServerOptions['log']> {
  const what = env.GAVEL_LOG || unless
  if (what !== 'requests' && what !== 'errors') {
    throw new Error(`GAVEL_LOG must be 'requests' or 'errors', but is ${JSON.stringify(what)}.`)
  }
  return { requests: what === 'requests', bodies: env.GAVEL_LOG_BODIES === '1' }
}

/** The bucket, where GAVEL_S3_BUCKET names one. */
export function s3FromEnv(env: Env): S3Options | null {
  const bucket = env.GAVEL_S3_BUCKET
  if (!bucket) return null
  const need = (name: string) => {
    const value = env[name]
    if (!value) throw new Error(`GAVEL_S3_BUCKET is set, so ${name} is needed too.`)
    return value
  }
  return {
    bucket,
    endpoint: env.GAVEL_S3_ENDPOINT,
    region: env.GAVEL_S3_REGION ?? 'us-east-1',
    accessKeyId: need('GAVEL_S3_ACCESS_KEY_ID'),
    secretAccessKey: need('GAVEL_S3_SECRET_ACCESS_KEY'),
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const options = optionsFromEnv(process.env)
  if (options.adminKey === null) console.warn('GAVEL_API_KEY is not set: only keys made before can be used.')
  const server = await startServer(options)
  console.log(`Gavel listens on ${server.url}`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void server.close().then(() => process.exit(0)))
  }
}
