/** The tables, for D1 and node:sqlite alike. `npx drizzle-kit generate` turns a change here into a migration. */
import { blob, index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { CachedJudgment } from '../../core/judges/score-items.ts'
import type { Manifest } from '../../core/schemas/checkpoint.ts'
import type { EventPost, Sample } from '../../core/schemas/job.ts'
import type { RewardRecipe } from '../../core/schemas/reward.ts'
import type { DatasetBody, JobRow, JudgeBody, KeyBody, ModelBody, UploadBody } from '../../service/database.ts'

/** `seq` is the order of creation, and with that the order of lists. All times are Unix milliseconds. */
const resource = <Body>() => ({
  seq: integer().primaryKey({ autoIncrement: true }),
  id: text().notNull().unique(),
  tenant: text().notNull(),
  name: text(),
  version: integer().notNull(),
  body: text({ mode: 'json' }).$type<Body>().notNull(),
  secret: text(),
  createdAt: integer('created_at').notNull(),
  deletedAt: integer('deleted_at'),
})

export const keys = sqliteTable('keys', { ...resource<KeyBody>(), sha256: text().notNull().unique() }, (t) => [
  index('keys_by_tenant').on(t.tenant, t.seq),
])
export const judges = sqliteTable('judges', resource<JudgeBody>(), (t) => [
  index('judges_by_name').on(t.tenant, t.name, t.version),
])
export const recipes = sqliteTable('recipes', resource<RewardRecipe>(), (t) => [
  index('recipes_by_name').on(t.tenant, t.name, t.version),
])
export const datasets = sqliteTable('datasets', resource<DatasetBody>(), (t) => [
  index('datasets_by_name').on(t.tenant, t.name, t.version),
])
/** Datasets on their way. */
export const uploads = sqliteTable(
  'dataset_uploads',
  {
    id: text().primaryKey(),
    tenant: text().notNull(),
    name: text(),
    base: text(),
    body: text({ mode: 'json' }).$type<UploadBody>().notNull(),
    revision: integer().notNull().default(0),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
    completedAt: integer('completed_at'),
  },
  (t) => [index('dataset_uploads_by_expiry').on(t.expiresAt)],
)
export const models = sqliteTable('models', resource<ModelBody>(), (t) => [
  index('models_by_name').on(t.tenant, t.name, t.version),
])

export const jobs = sqliteTable(
  'jobs',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    id: text().notNull().unique(),
    tenant: text().notNull(),
    /** Of the key that made it; null of jobs made before it was noted. */
    key: text(),
    name: text(),
    type: text().$type<JobRow['type']>().notNull(),
    state: text().$type<JobRow['state']>().notNull().default('queued'),
    spec: text({ mode: 'json' }).$type<JobRow['spec']>().notNull(),
    result: text({ mode: 'json' }).$type<JobRow['result']>(),
    error: text({ mode: 'json' }).$type<JobRow['error']>(),
    attempt: integer().notNull().default(0),
    tries: integer().notNull().default(0),
    fence: integer().notNull().default(0),
    /** Reports of use that this lease has had counted. */
    usageReports: integer('usage_reports').notNull().default(0),
    worker: text(),
    leaseExpiresAt: integer('lease_expires_at').notNull().default(0),
    notBefore: integer('not_before').notNull().default(0),
    cancelRequested: integer('cancel_requested', { mode: 'boolean' }).notNull().default(false),
    pauseRequested: integer('pause_requested', { mode: 'boolean' }).notNull().default(false),
    createdAt: integer('created_at').notNull(),
    startedAt: integer('started_at'),
    finishedAt: integer('finished_at'),
    updatedAt: integer('updated_at').notNull(),
    revision: integer().notNull().default(0),
    idempotencyKey: text('idempotency_key'),
    requestSha256: text('request_sha256'),
    deletedAt: integer('deleted_at'),
    /** When to look for objects of it that nothing names; null where there can be none. */
    collectAt: integer('collect_at'),
  },
  (t) => [
    index('jobs_by_tenant').on(t.tenant, t.seq),
    index('jobs_by_state').on(t.state, t.seq),
    index('jobs_by_collection').on(t.collectAt),
    uniqueIndex('jobs_by_idempotency_key').on(t.tenant, t.idempotencyKey),
  ],
)

export const jobEvents = sqliteTable(
  'job_events',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    job: text().notNull(),
    /** Within the job. Of events from before they were counted by job: their `seq`. */
    number: integer().notNull().default(0),
    /** What a worker names an event by, so that it is kept once. */
    key: text(),
    createdAt: integer('created_at').notNull(),
    level: text().$type<EventPost['level']>().notNull(),
    message: text().notNull(),
    data: text({ mode: 'json' }).$type<EventPost['data']>(),
  },
  (t) => [uniqueIndex('job_events_by_number').on(t.job, t.number), uniqueIndex('job_events_by_key').on(t.job, t.key)],
)

export const jobMetrics = sqliteTable(
  'job_metrics',
  {
    job: text().notNull(),
    step: integer().notNull(),
    values: text({ mode: 'json' }).$type<Record<string, number>>().notNull(),
  },
  (t) => [primaryKey({ columns: [t.job, t.step] })],
)

export const jobSamples = sqliteTable(
  'job_samples',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    job: text().notNull(),
    step: integer().notNull(),
    split: text().notNull(),
    index: integer().notNull(),
    body: text({ mode: 'json' }).$type<Sample>().notNull(),
  },
  (t) => [uniqueIndex('job_samples_by_place').on(t.job, t.step, t.split, t.index)],
)

export const checkpoints = sqliteTable(
  'checkpoints',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    id: text().notNull().unique(),
    tenant: text().notNull(),
    job: text().notNull(),
    step: integer().notNull(),
    prefix: text().notNull(),
    manifest: text({ mode: 'json' }).$type<Manifest>().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [uniqueIndex('checkpoints_by_step').on(t.job, t.step)],
)

/** `judge` is the version that gave the judgment, empty for those kept before it was noted. */
export const judgments = sqliteTable(
  'judgments',
  {
    key: text().primaryKey(),
    value: text({ mode: 'json' }).$type<CachedJudgment>().notNull(),
    createdAt: integer('created_at').notNull(),
    judge: text().notNull().default(''),
  },
  (t) => [index('judgments_by_judge').on(t.judge)],
)

/** How often a judge's judgments were looked up. */
export const judgmentLookups = sqliteTable('judgment_lookups', {
  judge: text().primaryKey(),
  hits: integer().notNull(),
  misses: integer().notNull(),
})

/** The ledger: what a key, itself or by a job, used of a judge on a day. An empty judge stands for verification. */
export const usage = sqliteTable(
  'usage',
  {
    tenant: text().notNull(),
    day: text().notNull(),
    payer: text().notNull(),
    judge: text().notNull(),
    job: text().notNull().default(''),
    items: integer().notNull(),
    cached: integer().notNull(),
    abstained: integer().notNull(),
    failed: integer().notNull(),
    promptTokens: integer('prompt_tokens').notNull(),
    completionTokens: integer('completion_tokens').notNull(),
    uncounted: integer().notNull().default(0),
    cost: real().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.day, t.payer, t.judge, t.job] }),
    index('usage_by_payer').on(t.tenant, t.payer, t.day),
  ],
)

/** What was entered into the books lately, so that nothing is entered twice whose answer was lost. */
export const usageEntries = sqliteTable(
  'usage_entries',
  { id: text().primaryKey(), createdAt: integer('created_at').notNull() },
  (t) => [index('usage_entries_by_time').on(t.createdAt)],
)

/** Items that are being judged for a key with a budget: they count as used until they are, or until `expiresAt`. */
export const reservations = sqliteTable(
  'reservations',
  {
    id: text().primaryKey(),
    tenant: text().notNull(),
    payer: text().notNull(),
    items: integer().notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (t) => [index('reservations_by_payer').on(t.tenant, t.payer)],
)

/** Empty: what is written here to see whether anything can be is deleted at once. */
export const writeProbes = sqliteTable('write_probes', {
  id: integer().primaryKey(),
  body: blob({ mode: 'buffer' }).notNull(),
})

/** What a key with a rate has sent since `start`. */
export const rateWindows = sqliteTable('rate_windows', {
  key: text().primaryKey(),
  start: integer().notNull(),
  used: integer().notNull(),
})
