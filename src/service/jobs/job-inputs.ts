import type { LeasedSpec } from '../../core/schemas/job.ts'
import type { ModelSource } from '../../core/schemas/model.ts'
import type {
  CheckpointInput,
  DatasetInput,
  JobInputs,
  JudgeInput,
  ModelInput,
  OwnedJudge,
} from '../../core/schemas/worker.ts'
import type { CheckpointRow, JobRow, JudgeBody, ResourceRow } from '../database.ts'
import type { Deps } from '../deps.ts'
import { findResource } from '../find-resource.ts'
import { findCheckpoint } from './checkpoints.ts'

/** Turns the key of an object into the URL a worker reads it by. */
export type UrlOf = (key: string) => Promise<string>

/** The parts of a job's inputs, each from the id that a spec names it by. */
function inputsOf({ database }: Pick<Deps, 'database'>, tenant: string, urlOf: UrlOf) {
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
    const objects = body.segments.map(async ({ blob, bytes, sha256 }, i) => ({
      name: `${id}-${i + 1}.jsonl`,
      size: bytes,
      sha256,
      url: await urlOf(blob),
    }))
    return { id, rows: body.rows, labelled: body.labelled, objects: await Promise.all(objects) }
  }

  const oneJudge = async ({ id, version, body }: ResourceRow<JudgeBody>) => {
    const { template, rubric, labels, debias, min_label_mass, max_answer_chars, calibration, provider } = body
    const local = provider.type === 'local' ? { engine: provider.engine, model: await model(provider.model) } : null
    return {
      id,
      version,
      template,
      ...(rubric !== undefined && { rubric }),
      labels,
      debias,
      min_label_mass,
      max_answer_chars,
      ...(calibration && { calibration }),
      ...(local ?? { model: null }),
    }
  }

  const judge = async (id: string): Promise<JudgeInput> => {
    const row = await findResource(database, 'judges', tenant, id, 'judge')
    const { provider, audit, warnings = [] } = row.body
    const input = { ...(await oneJudge(row)), audited: Boolean(audit), ...(warnings.length > 0 && { warnings }) }
    if (provider.type !== 'ensemble') return input
    const rows = await Promise.all(
      provider.judges.map((member) => findResource(database, 'judges', tenant, member, 'judge')),
    )
    const { judges, combine, k } = provider
    return { ...input, ensemble: { judges, combine, k, members: await Promise.all(rows.map(oneJudge)) } }
  }

  return { checkpoint, model, dataset, judge }
}

/** The ids of the judges that a job asks. Creating the job has put ids in place of names, and recipes of references. */
export function judgesOf({ spec }: Pick<JobRow, 'spec'>): string[] {
  const named = 'reward' in spec ? [spec.reward, spec.fallback_reward ?? {}] : 'judge' in spec ? [spec] : []
  return named.flatMap((recipe: { judge?: string | undefined; reranker?: string | undefined }) =>
    [recipe.judge, recipe.reranker].filter((id) => id !== undefined),
  )
}

/** The ids of a job's datasets, by their role in it. */
function datasetsOf(spec: LeasedSpec): Record<string, string> {
  if ('data' in spec) return spec.data
  const { dataset } = spec
  const { validation } = spec as { validation?: number | string }
  return typeof validation === 'string' ? { dataset, validation } : { dataset }
}

/**
 * Everything a worker needs to run a job, resolved: sources, data, reward, and the checkpoint to go on from.
 * @throws GavelError `not_found` when something the job refers to has been deleted
 */
export async function jobInputs(deps: Pick<Deps, 'database'>, job: JobRow, urlOf: UrlOf): Promise<JobInputs> {
  const inputs = inputsOf(deps, job.tenant, urlOf)
  const { spec } = job
  const reward = 'reward' in spec ? spec.reward : null
  const asked = reward ?? ('judge' in spec ? { judge: spec.judge } : {})
  const judgeIn = async (id: string | undefined) => (id === undefined ? null : inputs.judge(id))
  const fallback = 'fallback_reward' in spec ? spec.fallback_reward : undefined
  const datasets: JobInputs['datasets'] = {}
  for (const [role, id] of Object.entries(datasetsOf(spec))) {
    datasets[role] = await inputs.dataset(id)
  }
  const newest = await deps.database.checkpoints.newest(job.id)
  return {
    model: 'model' in spec ? await inputs.model(spec.model) : null,
    datasets,
    reward,
    judge: await judgeIn(asked.judge),
    reranker: await judgeIn('reranker' in asked ? asked.reranker : undefined),
    ...(fallback && {
      fallback: { judge: await judgeIn(fallback.judge), reranker: await judgeIn(fallback.reranker) },
    }),
    resume: newest && (await inputs.checkpoint(newest)),
  }
}

/** A judge as a worker gets it, with the blob key of each object as its URL: for a model run by the API's own process. */
export const judgeInput = async (deps: Pick<Deps, 'database'>, tenant: string, id: string): Promise<OwnedJudge> => ({
  ...(await inputsOf(deps, tenant, async (key) => key).judge(id)),
  tenant,
})

/** The keys of all objects that a job's inputs hold: what its worker may read. */
export async function inputKeys(deps: Pick<Deps, 'database'>, job: JobRow): Promise<Set<string>> {
  const keys = new Set<string>()
  await jobInputs(deps, job, async (key) => {
    keys.add(key)
    return key
  })
  return keys
}
