/** What SQL remembers: one interface per table. `src/adapters/database/` implements it for D1 and for node:sqlite. */
import type { Tally } from '../core/datasets/row-checker.ts'
import type { JudgmentCache } from '../core/judges/score-items.ts'
import type { UsageCounts } from '../core/judges/usage-counts.ts'
import type { Manifest } from '../core/schemas/checkpoint.ts'
import type {
  EventPost,
  Job,
  JobError,
  JobEvent,
  JobState,
  JobType,
  LeasedSpec,
  MetricPoint,
  Sample,
} from '../core/schemas/job.ts'
import type { Judge } from '../core/schemas/judge.ts'
import type { KeyBudget, KeyRate, Scope } from '../core/schemas/key.ts'
import type { ModelSource } from '../core/schemas/model.ts'
import type { RewardRecipe } from '../core/schemas/reward.ts'

/** A page of rows: those after a cursor, at most `limit`, and whether more follow. */
export interface Page {
  after?: string | undefined
  limit: number
}
export interface Paged<Row> {
  rows: Row[]
  more: boolean
}

/** A user's resource as stored. `body` is what its schema says beyond the columns. Times are in ms. */
export interface ResourceRow<Body> {
  id: string
  tenant: string
  name: string | null
  /** 1 for the first of a name; grows with each new one. */
  version: number
  body: Body
  /** Ciphertext of the resource's secret. */
  secret: string | null
  createdAt: number
}

export interface ResourceTable<Body> {
  /** Stores a row and gives it the next version of its name. */
  insert(row: Omit<ResourceRow<Body>, 'version'>): Promise<ResourceRow<Body>>
  /** By id, or else the newest of the name. Another tenant's is not found. */
  find(tenant: string, idOrName: string): Promise<ResourceRow<Body> | null>
  /** Newest first. @throws GavelError `not_found` when `after` is no id of this tenant's */
  list(tenant: string, page: Page): Promise<Paged<ResourceRow<Body>>>
  /** Whether there was one to remove. */
  remove(tenant: string, id: string, now: number): Promise<boolean>
}

/** What was spent on a judge. */
export interface Spent {
  tokens: number
  cost: number
}
export interface JudgeTable extends ResourceTable<JudgeBody> {
  /** Puts a finding about a judge beside what it is; the judge itself never changes. */
  annotate(tenant: string, id: string, finding: Partial<Pick<JudgeBody, 'audit' | 'probe' | 'warnings'>>): Promise<void>
  /** What may be spent on a judge is no part of what it says, so it alone may change. Null lifts the limit. */
  setBudget(tenant: string, id: string, budget: JudgeBody['budget'] | null): Promise<void>
  /** Adds to what was spent, in one statement; answers the new sum. Adding nothing reads it. */
  spend(id: string, more: Spent): Promise<Spent>
}

export interface KeyBody {
  scopes: Scope[]
  /** Whether the key is also taken from a URL. */
  path_token?: boolean
  rate?: KeyRate
  budget?: KeyBudget
}
export interface KeyTable extends Omit<ResourceTable<KeyBody>, 'insert'> {
  insert(row: Omit<ResourceRow<KeyBody>, 'version'>, sha256: string): Promise<ResourceRow<KeyBody>>
  findByHash(sha256: string): Promise<ResourceRow<KeyBody> | null>
  /** Also of a key that has been revoked since: its jobs go on. */
  budgetOf(tenant: string, id: string): Promise<KeyBudget | undefined>
}

export interface JobRow {
  id: string
  tenant: string
  /** Id of the key that made it, and pays for it: empty for the operator's bootstrap key; null where it is not known. */
  key: string | null
  name: string | null
  type: JobType
  state: JobState
  spec: LeasedSpec
  result: Job['result']
  /** What it failed of; or, of a job that is to be tried again or is, what its last try ended with. */
  error: JobError | null
  /** How often a worker has begun it. */
  attempt: number
  /** Begun since it last got on (committed a checkpoint, was released, was resumed). */
  tries: number
  /** Grows with each claim; whoever holds an older one has lost the job. */
  fence: number
  /** Number of the last report of use that was counted under this fence. */
  usageReports: number
  worker: string | null
  leaseExpiresAt: number
  /** Not to be claimed before. */
  notBefore: number
  cancelRequested: boolean
  pauseRequested: boolean
  createdAt: number
  startedAt: number | null
  finishedAt: number | null
  /** Grows with each change but heartbeats: what compare-and-swap compares. */
  revision: number
}
export type JobPatch = Partial<
  Pick<
    JobRow,
    | 'state'
    | 'result'
    | 'error'
    | 'tries'
    | 'worker'
    | 'leaseExpiresAt'
    | 'notBefore'
    | 'cancelRequested'
    | 'pauseRequested'
    | 'finishedAt'
  >
>

export interface Claim {
  worker: string
  kinds: readonly JobType[]
  /** Only this tenant's jobs; null for everyone's. */
  tenant: string | null
  now: number
  leaseMs: number
  maxTries: number
}

/** What a job is made from; all else of it begins with defaults. */
export type NewJob = Pick<JobRow, 'id' | 'tenant' | 'key' | 'name' | 'type' | 'spec' | 'createdAt'>

/** So that a request sent twice makes one job. */
export interface Idempotency {
  key: string
  requestSha256: string
}

export interface JobPage extends Page {
  state?: JobState | undefined
  type?: JobType | undefined
}
export interface SamplePage extends Page {
  step?: number | undefined
}

/** What a worker's post must match to be taken. */
export interface Lease {
  job: string
  fence: number
}

export interface JobTable {
  /**
   * Stores a queued job; with an idempotency key, answers the job that was stored first under it.
   * @returns the stored row and the hash of the request that made it
   */
  insert(row: NewJob, idempotency: Idempotency | null): Promise<{ row: JobRow; requestSha256: string | null }>
  find(tenant: string, id: string): Promise<JobRow | null>
  /** Of any tenant. */
  get(id: string): Promise<JobRow | null>
  list(tenant: string, page: JobPage): Promise<Paged<JobRow>>
  /** Takes the oldest job that is ready (queued, or its lease ran out) in one statement. */
  claim(claim: Claim): Promise<JobRow | null>
  /** Prolongs a running job's lease. Null when the lease is lost. */
  heartbeat(lease: Lease, leaseExpiresAt: number): Promise<JobRow | null>
  /** Changes a job unless someone has since `before` was read; answers whether it did. */
  swap(before: JobRow, patch: JobPatch, now: number): Promise<boolean>
  /** Running jobs whose lease ran out before `now` and that nobody may claim: to be stopped, or begun `maxTries` times. */
  expired(now: number, maxTries: number): Promise<JobRow[]>
  /** Ids of unfinished jobs that need the resource: by name, or since a judge or a model that they need is made of it. */
  activeWith(tenant: string, resourceId: string): Promise<string[]>
  /** Deletes a job unless someone has changed it since `before` was read; answers whether it did. */
  remove(before: JobRow, now: number): Promise<boolean>

  /** A job and whether it is deleted: checkpoints that something names outlive theirs. */
  ofCheckpoints(id: string): Promise<{ job: JobRow; deleted: boolean } | null>
  /** Puts the next look for a job's objects that nothing names off until `at`. */
  collectLater(job: string, at: number): Promise<void>
  /** Jobs, also deleted ones, that are due for it. */
  collectable(now: number, limit: number): Promise<JobRow[]>
  /** Notes that a look was taken at `now`; null: there is nothing to look for after it. */
  collected(job: string, now: number, next: number | null): Promise<void>
  /** Forgets all that was posted of a deleted job. */
  forgetPosts(job: string): Promise<void>

  /** The posts of a worker. Each is one statement that takes all rows or, when the lease is lost, none: false. */
  postMetrics(lease: Lease, points: MetricPoint[]): Promise<boolean>
  postSamples(lease: Lease, samples: Sample[]): Promise<boolean>
  postEvents(lease: Lease, events: EventPost[], now: number): Promise<boolean>
  /** Forgets metrics and samples of steps beyond the one a worker goes on from. */
  supersede(lease: Lease, afterStep: number): Promise<void>

  /** In order of steps; the cursor is a step. */
  metrics(job: string, page: Page): Promise<Paged<MetricPoint>>
  /** One metric at all steps that have it, in order. */
  metricHistory(job: string, name: string): Promise<{ step: number; value: number }[]>
  lastStep(jobs: string[]): Promise<Map<string, number>>
  /** How many there are in each state, of all tenants. */
  countByState(): Promise<Map<JobState, number>>
  /** In order of (step, split, index); the cursor is the row's `id`. */
  samples(job: string, page: SamplePage): Promise<Paged<Sample & { id: string }>>
  /** In order of time; the cursor is an event's `id`. */
  events(job: string, page: Page): Promise<Paged<JobEvent>>
}

export interface CheckpointRow {
  id: string
  tenant: string
  job: string
  step: number
  /** Where its objects lie: `<prefix>/<name>`. */
  prefix: string
  manifest: Manifest
  createdAt: number
}

export interface CheckpointTable {
  /** Stores a row where the lease holds and (job, step) is new; answers the row of that (job, step), or null. */
  insert(row: CheckpointRow, lease: Lease): Promise<CheckpointRow | null>
  find(tenant: string, id: string): Promise<CheckpointRow | null>
  newest(job: string): Promise<CheckpointRow | null>
  /** Newest first. */
  list(tenant: string, job: string, page: Page): Promise<Paged<CheckpointRow>>
  remove(tenant: string, id: string): Promise<boolean>
  /** All of a job, in order of steps. */
  ofJob(job: string): Promise<CheckpointRow[]>
  /** Removes those of some checkpoints of a job that no model and no other job names; answers which. */
  removeUnnamed(job: string, ids: readonly string[]): Promise<CheckpointRow[]>
}

export type JudgeBody = Omit<Judge, 'id' | 'object' | 'name' | 'version' | 'created_at'>
export interface ModelBody {
  source: ModelSource
}

/** A piece of a dataset's JSONL, of whole lines, as one object. Versions share the pieces of what they go on from. */
export interface Segment {
  /** Key in the blob store. */
  blob: string
  bytes: number
  rows: number
  /** Number of its first line in the whole file. */
  line: number
  sha256: string
}
type GoesOn = 'newlines' | 'open' | 'hash'
/** What was counted of the rows; how the hash goes on is not known of datasets that were made before it was noted. */
export interface DatasetBody extends Omit<Tally, GoesOn>, Partial<Pick<Tally, GoesOn>> {
  sha256: string
  segments: Segment[]
  /** Id of the version that this one was appended to. */
  base?: string | undefined
}
export interface DatasetTable extends ResourceTable<DatasetBody> {
  /** The newest of a name below a version. */
  newestBefore(tenant: string, name: string, version: number): Promise<ResourceRow<DatasetBody> | null>
  /** All pieces of all datasets with one whose key begins so. */
  segmentsLike(tenant: string, prefix: string): Promise<Segment[]>
}

/** A dataset on its way, part by part. */
export interface UploadRow {
  id: string
  tenant: string
  /** What the dataset is to be called. */
  name: string | null
  /** Id of the dataset that the rows are appended to. */
  base: string | null
  body: UploadBody
  /** Grows with each part. */
  revision: number
  createdAt: number
  expiresAt: number
  completedAt: number | null
}
export interface UploadBody {
  /** Of all rows, those of `base` included. */
  tally: Tally
  /** As it was before the last part, so that the same part again can be told from another. */
  before: Tally | null
  segments: Segment[]
  parts: { rows: number; bytes: number }[]
}
export interface UploadTable {
  insert(row: Omit<UploadRow, 'revision' | 'completedAt'>): Promise<UploadRow>
  find(tenant: string, id: string): Promise<UploadRow | null>
  /** Changes an upload unless someone has since `before` was read, or it is complete; answers whether it did. */
  swap(before: UploadRow, patch: { body: UploadBody } | { completedAt: number }): Promise<boolean>
  /** Ends an upload that is under way: its time was over before `now`, and a part that is still written changes it no more. */
  end(id: string, now: number): Promise<void>
  /** Has objects looked after as those of an upload that ended at `now`; one that is there under the id stays as it is. */
  leave(upload: Pick<UploadRow, 'id' | 'tenant'>, now: number): Promise<void>
  /** Whether there was one to remove. */
  remove(id: string): Promise<boolean>
  /** The first few whose time was over before `now`. */
  expired(now: number): Promise<UploadRow[]>
}

/** Prompts that were looked up, by what came of it. */
export interface Lookups {
  /** Known from before: the judge was not asked. */
  hits: number
  misses: number
}

/** Where judgments are kept, and how often each judge's were of use. */
export interface JudgmentTable extends JudgmentCache {
  /** Adds to the lookups of judges, all in one statement. */
  addLookups(byJudge: ReadonlyMap<string, Lookups>): Promise<void>
  /** @param judge the version whose raw probabilities are kept */
  summary(judge: string): Promise<Lookups & { entries: number }>
  /** Forgets a judge's judgments; its lookups stay counted. */
  clear(judge: string): Promise<void>
}

/** Who pays: an API key, itself or by a job that it made. */
export interface Payer {
  tenant: string
  /** Its id; empty for the operator's bootstrap key. */
  key: string
  /** The job's id; absent where the key asks itself. */
  job?: string | undefined
}

/** One line of the ledger: what a key or one of its jobs used of a judge on a day. */
export interface UsageRow extends UsageCounts {
  tenant: string
  /** In UTC: `2026-11-25`. */
  day: string
  /** Id of the key. */
  payer: string
  /** Id of the judge; empty for verification, which needs none. */
  judge: string
  /** Empty where the key asked itself. */
  job: string
}

/** What a worker says that a local judge was used for. A report counts once, however often it comes. */
export interface UsageReport {
  job: string
  fence: number
  /** Grows with each report under a fence. */
  number: number
}

/** Where the ledger is kept. */
export interface UsageTable {
  /** Adds to what there is, all rows in one statement. */
  add(rows: readonly UsageRow[]): Promise<void>
  /**
   * Adds what a report says, unless it was counted before or its lease is lost; answers whether it did.
   * @param spent what goes to the judge's budget, where it has one
   */
  addReport(report: UsageReport, row: UsageRow, spent: Spent | null): Promise<boolean>
  /** What a key and its jobs have used of all judges since a day, verification apart. */
  spent(payer: Payer, sinceDay: string): Promise<UsageCounts>
  /** Newest day first; of one key where one is given. The cursor is {@link usageId}. */
  list(tenant: string, page: Page & { from: string; to: string; payer?: string | undefined }): Promise<Paged<UsageRow>>
}

/**
 * Counts in fixed windows of time: that of `now` begins at the last multiple of the window's length. One interface over
 * memory (a single process) and SQL (many): in both, no window ever holds more than its limit.
 */
export interface RateWindows {
  /** Counts `units` into the current window, unless it would then hold more than `limit`. `used` is what it holds now. */
  take(
    key: string,
    units: number,
    limit: number,
    windowMs: number,
    now: number,
  ): Promise<{ taken: boolean; used: number }>
}

export interface Database {
  keys: KeyTable
  judges: JudgeTable
  recipes: ResourceTable<RewardRecipe>
  datasets: DatasetTable
  uploads: UploadTable
  models: ResourceTable<ModelBody>
  jobs: JobTable
  checkpoints: CheckpointTable
  /** Judgments by content hash: replays cost nothing. */
  judgments: JudgmentTable
  usage: UsageTable
  rates: RateWindows
  /** Resolves when the database answers. */
  ping(): Promise<void>
}
