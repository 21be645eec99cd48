import { join } from 'node:path'
import type { LeasedJob, ModelInput } from '../../core/schemas/worker.ts'
import { fetchCheckpoint, fetchDataset, fetchModel, type ObjectSource } from '../checkpoint/fetch-objects.ts'
import { fetchSource, sourcesFor, type SourceOptions } from '../models/source.ts'
import type { DownloadProgress } from '../weights/download-model.ts'
import type { EngineOptions, JobOrder } from './job-messages.ts'
import type { WorkerApi } from './worker-api.ts'

/** Files below this size are there before anyone could read of it. */
const TOLD_BYTES = 10e6
const TOLD_EVERY_MS = 10_000

export interface JobSurroundings {
  api: WorkerApi
  engine: EngineOptions
  /** What the operator's own jobs, and those of tenants that it trusts, may be made of. */
  sources: SourceOptions
  trustedTenants: readonly string[]
}

/**
 * Fetches all that a job needs, so that its process needs no network: datasets, checkpoints and what to resume from, each
 * checked against its hash, and models from where the job's tenant may take them.
 * @param workspace an empty folder
 * @param tell hears how far a large download is
 * @param signal breaks it off; rejects with its reason
 */
export async function prepareJob(
  job: LeasedJob,
  workspace: string,
  { api, engine, sources, trustedTenants }: JobSurroundings,
  { tell, signal }: { tell: (message: string) => void; signal: AbortSignal },
): Promise<JobOrder> {
  const { inputs, tenant, own } = job
  const trusted = own || trustedTenants.includes(tenant)
  const allowed = sourcesFor({ tenant, trusted }, sources)
  const outside = { ...allowed, hub: { ...allowed.hub, signal, onProgress: largeDownloads(tell) } }
  const objects: ObjectSource = { download: (object, from) => api.download(object, signal, from) }
  const pathOf = (model: ModelInput, name: string) =>
    model.type === 'checkpoint'
      ? fetchModel(objects, model.objects, join(workspace, name))
      : fetchSource(model, outside)

  const datasets: JobOrder['datasets'] = {}
  for (const [role, dataset] of Object.entries(inputs.datasets)) {
    datasets[role] = await fetchDataset(objects, dataset.objects, join(workspace, `${role}.jsonl`))
  }
  const judgePaths: JobOrder['judgePaths'] = {}
  const { judge, reranker, fallback } = inputs
  const judges = [judge, reranker, fallback?.judge, fallback?.reranker].filter((judge) => judge != null)
  for (const { id, model } of judges.flatMap((judge) => [judge, ...(judge.ensemble?.members ?? [])])) {
    if (model) judgePaths[id] ??= await pathOf(model, id)
  }
  const resume = inputs.resume && {
    step: inputs.resume.step,
    state: inputs.resume.state,
    folder: await fetchCheckpoint(objects, inputs.resume.objects, join(workspace, 'resume')),
  }
  const modelPath = inputs.model && (await pathOf(inputs.model, 'model'))
  const progress = join(workspace, 'progress')
  return { job, options: engine, datasets, modelPath, judgePaths, resume, workspace, progress }
}

/** Tells of a large download every ten seconds, and at its end. */
function largeDownloads(tell: (message: string) => void): (progress: DownloadProgress) => void {
  let told = -Infinity
  return ({ file, done, total }) => {
    const now = performance.now()
    if (total < TOLD_BYTES || (done < total && now - told < TOLD_EVERY_MS)) return
    told = now
    tell(`downloading ${file}: ${(done / 1e6).toFixed(0)} of ${(total / 1e6).toFixed(0)} MB`)
  }
}
