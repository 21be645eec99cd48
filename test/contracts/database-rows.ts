/** Rows that the contract of the database puts in. */
import type { SftSpec } from '../../src/core/schemas/sft.ts'
import type { Claim, Database, Entry, JobRow } from '../../src/service/database.ts'

export const spec = {
  type: 'sft',
  model: 'model_x',
  dataset: 'ds_x',
  prompt_template: '{prompt}',
  config: {},
} as unknown as SftSpec

export const resource = (id: string, name: string | null, tenant = 't') => ({
  id,
  tenant,
  name,
  body: { source: { type: 'local' as const, path: id } },
  secret: null,
  createdAt: 1,
})

export const checkpointOf = (job: string, id: string, step: number, tenant = 't') => ({
  id,
  tenant,
  job,
  step,
  prefix: `p/${step}`,
  manifest: { objects: [], state: { cursor: 3 } },
  createdAt: 1,
})

let entries = 0
/** An entry into the books of which no other has the id, with nothing in it. */
export const entry = (id = `entry_${++entries}`): Entry => ({
  ids: [id],
  rows: [],
  spent: [],
  judgments: [],
  released: [],
})

export const jobIn = (database: Database, id: string, tenant = 't'): Promise<JobRow> =>
  database.jobs
    .insert({ id, tenant, key: 'key_1', name: null, type: 'sft', spec, createdAt: 1000 }, null)
    .then(({ row }) => row)

export const claim = (database: Database, now: number, more: Partial<Claim> = {}) =>
  database.jobs.claim({ worker: 'w', kinds: ['sft'], tenant: null, now, leaseMs: 100, maxTries: 3, ...more })

/** A job that a worker has begun, with a lease until 110. */
export async function leased(database: Database, id = 'job_a', tenant = 't'): Promise<JobRow> {
  await jobIn(database, id, tenant)
  return (await claim(database, 10, { tenant }))!
}
