/** Checkpoints: where their objects lie, how one is committed, and how one is found. */
import { GavelError } from '../../core/errors.ts'
import type { Manifest } from '../../core/schemas/checkpoint.ts'
import type { CheckpointRow, Database, JobRow } from '../database.ts'
import type { Deps } from '../deps.ts'
import { newId } from '../ids.ts'
import { staleFence } from './change.ts'
import { collectObjects } from './collect.ts'
import { keepCheckpoints } from './keep-checkpoints.ts'

/** The fence is part of it, so that two workers never write one key. */
export const checkpointPrefix = (job: JobRow, step: number, fence: number) =>
  `tenants/${job.tenant}/jobs/${job.id}/checkpoints/${step}/${fence}`

/**
 * Makes the uploaded objects of a step a checkpoint: checks that each is there in its size, writes `manifest.json`
 * after them and only once, and records it. The same commit again answers the same checkpoint, also by the next holder
 * of the lease: a run that goes on exactly makes the same bytes.
 * @param job as checked to be under `fence`
 * @throws GavelError `unprocessable` naming the object that is missing or of another size; `conflict` when the step
 *   was committed with other objects; `stale_fence` when the lease was lost meanwhile
 */
export async function commitCheckpoint(
  deps: Deps,
  job: JobRow,
  fence: number,
  step: number,
  manifest: Manifest,
): Promise<CheckpointRow> {
  const { blobs, database, clock, entropy } = deps
  const prefix = checkpointPrefix(job, step, fence)
  const heads = await Promise.all(manifest.objects.map((object) => blobs.head(`${prefix}/${object.name}`)))
  manifest.objects.forEach(({ name, size }, i) => {
    if (heads[i]?.size === size) return
    const found = heads[i] ? `it has ${heads[i].size} bytes instead of ${size}` : 'it is not there'
    const message = `\`manifest.objects[${i}]\`: ${name} was not uploaded whole (${found}). Upload it, then commit again.`
    throw new GavelError('unprocessable', message, { param: `manifest.objects[${i}]` })
  })

  const text = new TextEncoder().encode(JSON.stringify({ format: 1, job: job.id, step, ...manifest }))
  const key = `${prefix}/manifest.json`
  const written = await blobs.put(key, text, { ifAbsent: true, contentType: 'application/json' })
  if (!written && !sameBytes(await blobs.get(key), text)) throw otherManifest(job, step)

  const row = {
    id: newId('ckpt', entropy),
    tenant: job.tenant,
    job: job.id,
    step,
    prefix,
    manifest,
    createdAt: clock.now(),
  }
  const stored = await database.checkpoints.insert(row, { job: job.id, fence })
  if (!stored) throw staleFence(job.id)
  if (JSON.stringify(stored.manifest) !== JSON.stringify(manifest)) throw otherManifest(job, step)
  await keepCheckpoints(deps, job, fence)
  // What this leaves lying about for now, a sweep collects.
  await collectObjects(deps, job).catch((error: unknown) => deps.logError(error, `collecting ${job.id}`))
  return stored
}

export async function findCheckpoint(
  database: Database,
  tenant: string,
  id: string,
  param = 'id',
): Promise<CheckpointRow> {
  const row = await database.checkpoints.find(tenant, id)
  if (row) return row
  const message = `\`${param}\`: there is no checkpoint ${JSON.stringify(id.slice(0, 100))}. List a job's with GET /v1/jobs/{id}/checkpoints.`
  throw new GavelError('not_found', message, { param })
}

/** The name of a model's weights in a checkpoint, whole or in shards. */
const WEIGHTS = /^model.*\.safetensors$/

/**
 * A checkpoint that can be opened as a model.
 * @throws GavelError `not_found`, or `unprocessable` where it holds no whole model
 */
export async function findModelCheckpoint(
  database: Database,
  tenant: string,
  id: string,
  param: string,
): Promise<CheckpointRow> {
  const row = await findCheckpoint(database, tenant, id, param)
  const names = row.manifest.objects.map(({ name }) => name)
  if (names.some((name) => WEIGHTS.test(name))) return row
  const what = names.includes('adapter_config.json')
    ? 'an adapter without the model below it; name the last checkpoint of its job, or train with `lora.merge` "every"'
    : `no model (${names.join(', ').slice(0, 200)}); name a checkpoint of a training job`
  throw new GavelError('unprocessable', `\`${param}\`: ${row.id} holds ${what}.`, { param })
}

const otherManifest = (job: JobRow, step: number) =>
  new GavelError(
    'conflict',
    `Step ${step} of ${job.id} was committed before with other objects. Commit a later step.`,
    {
      param: 'step',
    },
  )

const sameBytes = (a: Uint8Array | null, b: Uint8Array) =>
  a !== null && a.length === b.length && a.every((byte, i) => byte === b[i])
