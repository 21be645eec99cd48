import type { CheckpointRow, JobRow } from '../database.ts'
import { findCheckpoint } from '../checkpoints.ts'
import { findResource } from '../find-resource.ts'
import type { ModelSource } from '../schemas/model.ts'
import type { RewardRecipe } from '../schemas/reward.ts'
import type { CheckpointInput, DatasetInput, JobInputs, JudgeInput, ModelInput } from '../schemas/worker.ts'
import type { Services } from '../services.ts'

/** Turns the key of an object into the URL a worker reads it by. */
export type UrlOf = (key: string) => Promise<string>

/** The parts of a job's inputs, each from the id that a spec names it by. */
function inputsOf({ database }: Pick<Services, 'database'>, tenant: string, urlOf: UrlOf) {
  const checkpoint = async (row: CheckpointRow): Promise<CheckpointInput> => ({
    checkpoint: row.id,
    step: row.step,
    state: row.manifest.state,
    objects: await Promise.all(
      row.manifest.objects.map(async (object) => ({ ...object, url: await urlOf(`${row.prefix}/${object.name}`) })),
    ),
  })

  const source = async (given: ModelSource): Promise<ModelInput> =>
    given.type === 'checkpoint'
      ? { type: 'checkpoint', ...(await checkpoint(await findCheckpoint(database, tenant, given.checkpoint, 'model'))) }
      : given

  const model = async (id: string): Promise<ModelInput> =>
    id.startsWith('ckpt_')
      ? source({ type: 'checkpoint', checkpoint: id })
      : source((await findResource(database, 'models', tenant, id, 'model')).body.source)

  const dataset = async (id: string): Promise<DatasetInput> => {
    const { body } = await findResource(database, 'datasets', tenant, id, 'dataset')
    const { rows, labelled, bytes, sha256, blob } = body
    return { id, rows, labelled, name: `${id}.jsonl`, size: bytes, sha256, url: await urlOf(blob) }
  }

  const judge = async (id: string): Promise<JudgeInput> => {
    const { version, body } = await findResource(database, 'judges', tenant, id, 'judge')
    const { template, labels, min_label_mass, provider } = body
    return {
      id,
      version,
      template,
      labels,
      min_label_mass,
      model: provider.type === 'local' ? await model(provider.model) : null,
    }
  }

  return { checkpoint, model, dataset, judge }
}

/**
 * Everything a worker needs to run a job, resolved: sources, data, reward, and the checkpoint to go on from.
 * @throws GavelError `not_found` when something the job refers to has been deleted
 */
export async function jobInputs(services: Pick<Services, 'database'>, job: JobRow, urlOf: UrlOf): Promise<JobInputs> {
  const inputs = inputsOf(services, job.tenant, urlOf)
  const { spec } = job
  // Creating the job has put the recipe itself in place of a reference to it.
  const reward = spec.type === 'grpo' ? (spec.reward as RewardRecipe) : null
  const judge = spec.type === 'eval' ? spec.judge : reward?.judge
  const datasets: JobInputs['datasets'] = {}
  for (const [role, id] of Object.entries(spec.type === 'grpo' ? spec.data : { dataset: spec.dataset })) {
    datasets[role] = await inputs.dataset(id)
  }
  const newest = await services.database.checkpoints.newest(job.id)
  return {
    model: await inputs.model(spec.model),
    datasets,
    reward,
    judge: judge === undefined ? null : await inputs.judge(judge),
    resume: newest && (await inputs.checkpoint(newest)),
  }
}

/** A judge as a worker gets it, with the blob key of each object as its URL: for a model run by the API's own process. */
export const judgeInput = (services: Pick<Services, 'database'>, tenant: string, id: string): Promise<JudgeInput> =>
  inputsOf(services, tenant, async (key) => key).judge(id)

/** The keys of all objects that a job's inputs hold: what its worker may read. */
export async function inputKeys(services: Pick<Services, 'database'>, job: JobRow): Promise<Set<string>> {
  const keys = new Set<string>()
  await jobInputs(services, job, async (key) => {
    keys.add(key)
    return key
  })
  return keys
}
