import type { CheckpointRow, DatasetBody, JobRow, ResourceRow } from '../database.ts'
import { findCheckpoint } from '../checkpoints.ts'
import { findResource } from '../find-resource.ts'
import type { ModelSource } from '../schemas/model.ts'
import type { RewardRecipe } from '../schemas/reward.ts'
import type { CheckpointInput, DatasetInput, JobInputs, JudgeInput, ModelInput } from '../schemas/worker.ts'
import type { Services } from '../services.ts'

/** Turns the key of an object into the URL a worker reads it by. */
export type UrlOf = (key: string) => Promise<string>

/**
 * Everything a worker needs to run a job, resolved: sources, data, reward, and the checkpoint to go on from.
 * @throws GavelError `not_found` when something the job refers to has been deleted
 */
export async function jobInputs({ database }: Pick<Services, 'database'>, job: JobRow, urlOf: UrlOf): Promise<JobInputs> {
  const { spec, tenant } = job

  const checkpointInput = async (row: CheckpointRow): Promise<CheckpointInput> => ({
    checkpoint: row.id,
    step: row.step,
    state: row.manifest.state,
    objects: await Promise.all(
      row.manifest.objects.map(async (object) => ({ ...object, url: await urlOf(`${row.prefix}/${object.name}`) })),
    ),
  })

  const sourceInput = async (source: ModelSource): Promise<ModelInput> =>
    source.type === 'checkpoint'
      ? { type: 'checkpoint', ...(await checkpointInput(await findCheckpoint(database, tenant, source.checkpoint, 'model'))) }
      : source

  const modelInput = async (id: string): Promise<ModelInput> =>
    id.startsWith('ckpt_')
      ? sourceInput({ type: 'checkpoint', checkpoint: id })
      : sourceInput((await findResource(database, 'models', tenant, id, 'model')).body.source)

  const datasetInput = async (id: string): Promise<DatasetInput> => {
    const { body }: ResourceRow<DatasetBody> = await findResource(database, 'datasets', tenant, id, 'dataset')
    const { rows, labelled, bytes, sha256, blob } = body
    return { id, rows, labelled, name: `${id}.jsonl`, size: bytes, sha256, url: await urlOf(blob) }
  }

  const judgeInput = async (id: string | undefined): Promise<JudgeInput | null> => {
    if (id === undefined) return null
    const { version, body } = await findResource(database, 'judges', tenant, id, 'judge')
    const { template, labels, min_label_mass, provider } = body
    const model = provider.type === 'local' ? await modelInput(provider.model) : null
    return { id, version, template, labels, min_label_mass, model }
  }

  // Creating the job has put the recipe itself in place of a reference to it.
  const reward = spec.type === 'grpo' ? (spec.reward as RewardRecipe) : null
  const datasetIds = spec.type === 'grpo' ? spec.data : { dataset: spec.dataset }
  const datasets: JobInputs['datasets'] = {}
  for (const [role, id] of Object.entries(datasetIds)) datasets[role] = await datasetInput(id)
  const newest = await database.checkpoints.newest(job.id)
  return {
    model: await modelInput(spec.model),
    datasets,
    reward,
    judge: await judgeInput(spec.type === 'eval' ? spec.judge : reward?.judge),
    resume: newest && (await checkpointInput(newest)),
  }
}

/** The keys of all objects that a job's inputs hold: what its worker may read. */
export async function inputKeys(services: Pick<Services, 'database'>, job: JobRow): Promise<Set<string>> {
  const keys = new Set<string>()
  await jobInputs(services, job, async (key) => {
    keys.add(key)
    return key
  })
  return keys
}
