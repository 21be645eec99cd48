import type { NumberedRow } from '../../core/datasets/dataset-rows.ts'
import { rowFault, type RowUse } from '../../core/datasets/row-fault.ts'
import { GavelError } from '../../core/errors.ts'
import { CLAIMABLE } from '../../core/ports.ts'
import { showsReference } from '../../core/judges/template.ts'
import { JUDGE_ROLES } from '../../core/rewards/reward-rows.ts'
import { completionOf } from '../../core/schemas/dataset.ts'
import type { GrpoSpec } from '../../core/schemas/grpo.ts'
import type { JobSpec, JobType, LeasedSpec } from '../../core/schemas/job.ts'
import type { PpoSpec } from '../../core/schemas/ppo.ts'
import type { RewardRecipe } from '../../core/schemas/reward.ts'
import type { VerifierSpec } from '../../core/schemas/verify.ts'
import { sha256Hex } from '../../core/sha256.ts'
import { verifierOf } from '../../core/verifiers/index.ts'
import type { DatasetBody, JobRow, JudgeBody, ResourceRow } from '../database.ts'
import type { Deps } from '../deps.ts'
import { rowsAfter } from '../datasets/read-dataset.ts'
import { findResource } from '../find-resource.ts'
import { findRecipe } from '../find-recipe.ts'
import { newId } from '../ids.ts'
import { findModelCheckpoint } from './checkpoints.ts'

/**
 * Queues a job. Names in the spec become ids, so that what is created later under a name changes nothing.
 * @param maker whose job it is, and the key that pays for it
 * @param idempotencyKey the same key with the same spec answers the job that was made first
 * @throws GavelError `unprocessable` naming the field that refers to nothing or to data of the wrong kind;
 *   `conflict` when the idempotency key was used for another request
 */
export async function createJob(
  deps: Deps,
  maker: Pick<JobRow, 'tenant' | 'key'>,
  given: JobSpec,
  idempotencyKey: string | null,
): Promise<JobRow> {
  const { database, clock, entropy, bell } = deps
  const { tenant, key } = maker
  const requestSha256 = await sha256Hex(JSON.stringify(given))
  const spec = await resolveSpec(deps, tenant, given)
  const row = {
    id: newId('job', entropy),
    tenant,
    key,
    name: given.name ?? null,
    type: given.type,
    spec,
    createdAt: clock.now(),
  }
  const idempotency = idempotencyKey === null ? null : { key: idempotencyKey, requestSha256 }
  const stored = await database.jobs.insert(row, idempotency)
  if (idempotency && stored.requestSha256 !== requestSha256) {
    const message = 'This Idempotency-Key was used for another job. Use a new key for a new job, or send the same body.'
    throw new GavelError('conflict', message, { param: 'Idempotency-Key' })
  }
  bell.ring(CLAIMABLE)
  return stored.row
}

const RESOLVERS: {
  [T in JobType]: (resolve: Resolver, spec: Extract<JobSpec, { type: T }>) => Promise<LeasedSpec<T>>
} = {
  async sft(resolve, spec) {
    const { validation, config } = spec
    if (config.early_stop && validation === undefined) {
      const message =
        '`config.early_stop` goes by the loss on `validation`, which is missing; give a share or a dataset.'
      throw new GavelError('unprocessable', message, { param: 'config.early_stop' })
    }
    const trained = { use: 'trained', atLeast: typeof validation === 'number' ? 2 : 1 } as const
    const dataset = await resolve.dataset(spec.dataset, 'dataset', 'completions', trained)
    const ids = { model: await resolve.model(spec.model), dataset }
    if (typeof validation !== 'string') return { ...spec, ...ids }
    const held = await resolve.dataset(validation, 'validation', 'completions', { use: 'trained' })
    if (held === dataset) {
      const message =
        '`validation` is trained on, too, so its loss tells nothing; give rows that are held back, or a share such as 0.1.'
      throw new GavelError('unprocessable', message, { param: 'validation' })
    }
    return { ...spec, ...ids, validation: held }
  },

  async grpo(resolve, spec) {
    const { fallback_reward: _, ...rest } = spec
    return { ...rest, ...(await reinforcement(resolve, spec)) }
  },
  async ppo(resolve, spec) {
    const { fallback_reward: _, ...rest } = spec
    return { ...rest, ...(await reinforcement(resolve, spec)) }
  },

  async eval(resolve, spec) {
    if (spec.verifier === undefined && spec.judge === undefined) {
      const message = '`verifier` is missing: give a verifier to compare with the rows’ answers, a judge, or both.'
      throw new GavelError('unprocessable', message, { param: 'verifier' })
    }
    const judge = spec.judge === undefined ? null : await resolve.judge(spec.judge, 'judge')
    const need = judge === null || judge.needsReference ? 'labelled' : 'rows'
    const dataset = await resolve.dataset(spec.dataset, 'dataset', need, { verifier: spec.verifier, use: 'asked' })
    return { ...spec, model: await resolve.model(spec.model), dataset, ...(judge && { judge: judge.id }) }
  },

  async 'judge.calibrate'(resolve, spec) {
    const judge = await resolve.judge(spec.judge, 'judge')
    const dataset = await resolve.dataset(spec.dataset, 'dataset', 'completions')
    if (judge.needsReference) await resolve.dataset(spec.dataset, 'dataset', 'labelled')
    return { ...spec, judge: judge.id, dataset }
  },

  async 'judge.audit'(resolve, spec) {
    const dataset = await resolve.dataset(spec.dataset, 'dataset', 'labelled', { verifier: spec.verifier })
    return { ...spec, judge: (await resolve.judge(spec.judge, 'judge')).id, dataset }
  },
}

/** The parts of a reinforcement job that name something, as they are stored. */
async function reinforcement(resolve: Resolver, spec: GrpoSpec | PpoSpec) {
  const first = { param: 'reward', ...(await resolve.reward(spec.reward, 'reward')) }
  const fallback = await fallbackOf(resolve, spec, first.recipe)
  const recipes = fallback ? [first, fallback] : [first]
  const { labelled, unlabelled, canary } = spec.data
  for (const { recipe, blind, param } of recipes) {
    if (labelled === undefined && recipe.mu + recipe.rho === 0 && !recipe.pseudo_labels) {
      const message = `\`data.labelled\` is missing: \`${param}\` weighs only the verifier, which needs answers. Give labelled data, set mu > 0 and a judge, or turn on pseudo_labels.`
      throw new GavelError('unprocessable', message, { param: 'data.labelled' })
    }
    if (unlabelled !== undefined && blind !== null && !recipe.pseudo_labels) {
      const message = `\`${blind}\` names a judge whose template shows a reference answer, and the rows of \`data.unlabelled\` have none; use another judge, or leave the unlabelled data out.`
      throw new GavelError('unprocessable', message, { param: blind })
    }
  }
  const gold = { verifier: first.recipe.verifier, use: 'asked' } as const
  const data = {
    ...(labelled !== undefined && {
      labelled: await resolve.dataset(labelled, 'data.labelled', 'labelled', gold),
    }),
    ...(unlabelled !== undefined && {
      unlabelled: await resolve.dataset(unlabelled, 'data.unlabelled', 'rows', { use: 'asked' }),
    }),
    ...(canary !== undefined && {
      canary: await resolve.dataset(canary, 'data.canary', 'labelled', gold),
    }),
  }
  if (data.canary !== undefined && (data.canary === data.labelled || data.canary === data.unlabelled)) {
    const message =
      '`data.canary` is trained on, too, so it cannot tell learning from cheating; give rows that are held back.'
    throw new GavelError('unprocessable', message, { param: 'data.canary' })
  }
  const allowed = await resolve.audited(recipes, spec.allow_failed_audit)
  return {
    model: await resolve.model(spec.model),
    data,
    reward: first.recipe,
    ...(fallback && { fallback_reward: fallback.recipe }),
    ...allowed,
  }
}

/** The recipe that a run goes on by once it has rolled back; null where it ends then. */
async function fallbackOf(resolve: Resolver, spec: GrpoSpec | PpoSpec, first: RewardRecipe) {
  const { fallback_reward: given, config, data } = spec
  const refuse = (param: string, message: string) => {
    throw new GavelError('unprocessable', message, { param })
  }
  if (config.on_hacking === 'rollback' && (data.canary === undefined || config.canary_every === 0)) {
    const message = '`config.on_hacking` is "rollback", which goes back to the best look at the canary; give `data.canary` (and canary_every above 0), or use "warn".' // prettier-ignore
    refuse('config.on_hacking', message)
  }
  if (given === undefined) return null
  if (config.on_hacking !== 'rollback')
    refuse('fallback_reward', '`fallback_reward` is what a run goes on by after a rollback; set `config.on_hacking` to "rollback", or leave it out.') // prettier-ignore
  const param = 'fallback_reward'
  const { recipe, blind } = await resolve.reward(given, param)
  if (JSON.stringify(recipe.verifier ?? 'math') !== JSON.stringify(first.verifier ?? 'math'))
    refuse(`${param}.verifier`, '`fallback_reward` has another verifier than `reward`; the answers of one run are compared in one way.') // prettier-ignore
  return { recipe, blind, param }
}

function resolveSpec(deps: Deps, tenant: string, spec: JobSpec): Promise<LeasedSpec> {
  const resolve = RESOLVERS[spec.type] as (resolve: Resolver, spec: JobSpec) => Promise<LeasedSpec>
  return resolve(resolver(deps, tenant), spec)
}

/** The field that every row must have for a use of a dataset, by the count of those that do. */
const NEEDS = { rows: 'prompt', labelled: 'answer', completions: 'completion' } as const

type JudgeAudit = NonNullable<JudgeBody['audit']>
type Resolver = ReturnType<typeof resolver>
function resolver(deps: Deps, tenant: string) {
  const { database, blobs } = deps
  return {
    /** @param param the field that names it, or a judge that is made of it */
    async model(reference: string, param = 'model'): Promise<string> {
      if (reference.startsWith('ckpt_')) return (await findModelCheckpoint(database, tenant, reference, param)).id
      const { id, body } = await findResource(database, 'models', tenant, reference, param)
      if (body.source.type === 'checkpoint') {
        await findModelCheckpoint(database, tenant, body.source.checkpoint, param)
      }
      return id
    },

    /** A judge of which everything is still there: the model of a local one, the judges of an ensemble. */
    async judge(reference: string, param: string): Promise<{ id: string; needsReference: boolean }> {
      const { id, body } = await findResource(database, 'judges', tenant, reference, param)
      const { provider } = body
      if (provider.type === 'local') await this.model(provider.model, param)
      if (provider.type !== 'ensemble') return { id, needsReference: showsReference(body) }
      const members = await Promise.all(provider.judges.map((member) => this.judge(member, param)))
      return { id, needsReference: members.some(({ needsReference }) => needsReference) }
    },

    /**
     * A judge that its audit found to be fooled too easily is no reward to train on, unless the job names it; nor is an
     * ensemble with such a judge in it, unless it was audited itself.
     * @param allowed what the spec names, which goes into the job as an id
     */
    async audited(
      recipes: readonly { recipe: RewardRecipe; param: string }[],
      allowed: string | undefined,
    ): Promise<{ allow_failed_audit?: string }> {
      const exempt = allowed === undefined ? undefined : (await this.judge(allowed, 'allow_failed_audit')).id
      const asked = recipes.flatMap(({ recipe: { judge, mu, reranker, rho }, param }) => [
        { id: judge, weight: mu, param: `${param}.judge` },
        { id: reranker, weight: rho, param: `${param}.reranker` },
      ])
      if (exempt !== undefined && asked.every(({ id }) => id !== exempt)) {
        const message = '`allow_failed_audit` names another judge than the recipe; name that one, or leave it out.'
        throw new GavelError('unprocessable', message, { param: 'allow_failed_audit' })
      }
      for (const { id, weight, param } of asked) {
        if (id === undefined || weight === 0 || id === exempt) continue
        const row = await findResource(database, 'judges', tenant, id, param)
        const { audit, provider } = row.body
        const judged = [row]
        if (!audit && provider.type === 'ensemble')
          for (const member of provider.judges)
            judged.push(await findResource(database, 'judges', tenant, member, param))
        const failed = judged.find(({ body }) => body.audit?.passed === false)
        if (failed) throw failedAudit(failed, failed.body.audit!, param, row)
      }
      return exempt === undefined ? {} : { allow_failed_audit: exempt }
    },

    async dataset(
      reference: string,
      param: string,
      need: keyof typeof NEEDS,
      { atLeast = 1, ...checks }: RowChecks & { atLeast?: number } = {},
    ): Promise<string> {
      const row = await findResource(database, 'datasets', tenant, reference, param)
      const { rows, [need]: having } = row.body
      if (having < rows) {
        const lacks = ({ row }: NumberedRow) => need !== 'rows' && !HAS[need](row)
        const lines = await firstLines(rowsAfter(blobs, row, 0, param), lacks)
        const message = `\`${param}\`: ${rows - having} of the ${rows} rows of ${row.id} have no \`${NEEDS[need]}\`, and every row needs one here (${lines}).`
        throw new GavelError('unprocessable', message, { param })
      }
      if (rows < atLeast) {
        const message = `\`${param}\`: ${row.id} has ${rows} row, of which none can be held out for validation; give more, or validate on another dataset.`
        throw new GavelError('unprocessable', message, { param })
      }
      await checkRows(deps, row, param, checks)
      return row.id
    },

    /** `blind`: the field of a judge with weight that can say nothing of rows without answers. */
    async reward(given: string | RewardRecipe, field: string): Promise<{ recipe: RewardRecipe; blind: string | null }> {
      const recipe = typeof given === 'string' ? await findRecipe(database, tenant, given) : given
      const resolved = { ...recipe }
      let blind: string | null = null
      for (const role of JUDGE_ROLES) {
        if (recipe[role] === undefined) continue
        const param = `${field}.${role}`
        const { id, needsReference } = await this.judge(recipe[role], param)
        resolved[role] = id
        const weight = role === 'judge' ? recipe.mu : recipe.rho
        if (needsReference && weight > 0) blind ??= param
      }
      return { recipe: resolved, blind }
    },
  }
}

/** @param named what the recipe names: the judge itself, or an ensemble that it is in */
function failedAudit(
  failed: ResourceRow<JudgeBody>,
  audit: JudgeAudit,
  param: string,
  named: ResourceRow<JudgeBody>,
): GavelError {
  const percent = (rate: number | null | undefined) => `${(100 * (rate ?? 0)).toFixed(1)} %`
  const rates = audit.failures.map((failure) => {
    const found = audit.attacks.find(({ attack }) => attack === failure)
    return `${percent(found?.rate)} of \`${failure}\``
  })
  const nameOf = ({ id, name }: ResourceRow<JudgeBody>) => name ?? id
  const judge = nameOf(failed) + (failed === named ? '' : `, which is in the ensemble ${nameOf(named)},`)
  const message =
    `\`${param}\`: ${judge} did not pass its audit (${audit.job}): it accepts ${rates.join(', ')}, and ${percent(audit.right.rate)} of right ` +
    `solutions. A student trained on it learns to write what it accepts. Use another judge, or set \`allow_failed_audit\` to ${JSON.stringify(nameOf(named))}.`
  return new GavelError('unprocessable', message, { param })
}

/** What of each row is looked at when a job is made; what takes a tokenizer, its worker finds before the first step. */
interface RowChecks {
  /** Will compare with the rows' answers: each must be one that it can compare with. */
  verifier?: VerifierSpec | undefined
  use?: RowUse
}

const HAS = {
  labelled: ({ answer }: NumberedRow['row']) => typeof answer === 'string',
  completions: (row: NumberedRow['row']) => completionOf(row) !== null,
}

/** @throws GavelError `unprocessable` naming the first lines that are of no use, and why */
async function checkRows(
  { blobs, turns }: Pick<Deps, 'blobs' | 'turns'>,
  dataset: ResourceRow<DatasetBody>,
  param: string,
  { verifier: spec, use }: RowChecks,
): Promise<void> {
  if (!spec && !use) return
  const verifier = spec && verifierOf(spec)
  for await (const { line, row } of rowsAfter(blobs, dataset, 0, param)) {
    // A dataset may be as large as the operator allows: others have their turns, and there is no limit.
    if (turns.due()) await turns.next(dataset.tenant)
    const fault = use && rowFault(row, use)
    if (fault) {
      const lines = await firstLines(rowsAfter(blobs, dataset, 0, param), (other) => rowFault(other.row, use) === fault)
      throw new GavelError('unprocessable', `\`${param}\`: a row of ${dataset.id} is of no use (${lines}): ${fault}.`, { param }) // prettier-ignore
    }
    try {
      if (verifier && typeof row.answer === 'string') verifier.checkGold(row.answer)
    } catch (error) {
      if (!(error instanceof GavelError)) throw error
      const message = `\`${param}\`: line ${line} of ${dataset.id} has an answer that the verifier cannot compare with. ${error.message}`
      throw new GavelError('unprocessable', message, { param })
    }
  }
}

/** Most lines that a message names. */
const NAMED_LINES = 5

/** `lines 3, 7, 12 …`: the first of those rows, by their lines. */
async function firstLines(rows: AsyncIterable<NumberedRow>, is: (row: NumberedRow) => boolean): Promise<string> {
  const lines: number[] = []
  for await (const row of rows) {
    if (is(row)) lines.push(row.line)
    if (lines.length > NAMED_LINES) break
  }
  const more = lines.length > NAMED_LINES ? ' …' : ''
  return `line${lines.length > 1 ? 's' : ''} ${lines.slice(0, NAMED_LINES).join(', ')}${more}`
}
