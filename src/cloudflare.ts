/** The API on Cloudflare: D1 for rows, R2 for objects. */
import { edgeTurns } from './adapters/cloudflare/edge-turns.ts'
import { noBell } from './adapters/cloudflare/no-bell.ts'
import { publicFetch } from './adapters/cloudflare/public-fetch.ts'
import { r2BlobStore } from './adapters/cloudflare/r2-blob-store.ts'
import { workersAiFetch } from './adapters/cloudflare/workers-ai-fetch.ts'
import { createDatabase } from './adapters/database/create-database.ts'
import { judgeClients } from './adapters/judge-clients.ts'
import { datasetLimits } from './core/datasets/row-checker.ts'
import { sha256Hex } from './core/sha256.ts'
import { createApp } from './routes/app.ts'
import type { Deps } from './service/deps.ts'
import { sweepUploads } from './service/datasets/uploads.ts'
import { sweepJobs } from './service/jobs/change.ts'
import { sweepObjects } from './service/jobs/collect.ts'
import { secretBox } from './service/keys.ts'
import { describeError } from './service/request-log.ts'
import { CountedCache } from './service/usage/counted-cache.ts'
import { Ledger } from './service/usage/ledger.ts'
import { writeCounts } from './service/usage/write-counts.ts'

export interface Env {
  DATABASE: D1Database
  OBJECTS: R2Bucket
  /** Workers AI, where judges of it are wanted. */
  AI?: Ai
  /** Secrets: the operator's admin key, and what providers' secrets are encrypted with. */
  GAVEL_API_KEY?: string
  GAVEL_SECRET_KEY?: string
  /** For presigned URLs: `https://<account>.r2.cloudflarestorage.com/<bucket>` and an R2 API token. */
  GAVEL_R2_URL?: string
  GAVEL_R2_ACCESS_KEY_ID?: string
  GAVEL_R2_SECRET_ACCESS_KEY?: string
  /** `1` also logs what is sent to be scored. */
  GAVEL_LOG_BODIES?: string
  /** The largest dataset that is taken. */
  GAVEL_MAX_DATASET_BYTES?: string
  GAVEL_MAX_DATASET_ROWS?: string
}

export async function depsFrom(env: Env): Promise<Deps> {
  const clock = { now: () => Date.now() }
  const entropy = { bytes: (count: number) => crypto.getRandomValues(new Uint8Array(count)) }
  const database = createDatabase(env.DATABASE)
  const ledger = new Ledger(database.usage, clock, entropy)
  return {
    database,
    ledger,
    judgments: new CountedCache(database.judgments, ledger),
    rates: database.rates,
    metrics: null,
    log: { bodies: env.GAVEL_LOG_BODIES === '1', request: (entry) => console.log({ message: 'request', ...entry }) },
    blobs: r2BlobStore(env.OBJECTS, credentialsFrom(env)),
    clock,
    entropy,
    bell: noBell,
    checks: null,
    turns: edgeTurns(),
    bodyRoom: null,
    secrets: secretBox(env.GAVEL_SECRET_KEY || null, entropy),
    adminKeySha256: env.GAVEL_API_KEY ? await sha256Hex(env.GAVEL_API_KEY) : null,
    allowPrivateUrls: false,
    judgeClient: judgeClients({ fetch: publicFetch, workersAi: env.AI && workersAiFetch(env.AI) }),
    programs: null,
    datasetLimits: datasetLimits(env),
    judgeWindowMs: 0,
    logError: (error, requestId) =>
      console.error({ message: 'failure', request_id: requestId, error: describeError(error) }),
  }
}

/** All three or none. */
function credentialsFrom({ GAVEL_R2_URL: url, GAVEL_R2_ACCESS_KEY_ID: id, GAVEL_R2_SECRET_ACCESS_KEY: secret }: Env) {
  if (url && id && secret) return { url: url.replace(/\/+$/, ''), accessKeyId: id, secretAccessKey: secret }
  if (url || id || secret) {
    throw new Error('Set GAVEL_R2_URL, GAVEL_R2_ACCESS_KEY_ID and GAVEL_R2_SECRET_ACCESS_KEY, all three or none.')
  }
  return null
}

/** Made by the first request of an isolate: bindings do not change while it lives. */
let made: Promise<{ deps: Deps; app: ReturnType<typeof createApp> }> | undefined

export default {
  async fetch(request, env, context) {
    made ??= depsFrom(env).then((deps) => ({ deps, app: createApp(deps) }))
    const { deps, app } = await made
    const response = await app.fetch(request, env, context)
    context.waitUntil(writeCounts(deps))
    return response
  },

  async scheduled(_event, env) {
    const deps = await depsFrom(env)
    await sweepJobs(deps)
    await sweepObjects(deps)
    await sweepUploads(deps)
  },
} satisfies ExportedHandler<Env>
