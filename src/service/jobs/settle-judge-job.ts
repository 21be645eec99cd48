import type * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { cacheVersion } from '../../core/judges/score-items.ts'
import { NOT_INFORMATIVE } from '../../core/judges/warnings.ts'
import type { Job } from '../../core/schemas/job.ts'
import { judgeAuditResult, judgeCalibrateResult } from '../../core/schemas/judge-jobs.ts'
import { parse } from '../../core/schemas/parse.ts'
import type { JobRow, JudgeBody, ResourceRow } from '../database.ts'
import type { Deps } from '../deps.ts'
import { findResource } from '../find-resource.ts'

type Result = NonNullable<Job['result']>
/**
 * What the result of a job about a judge does to the judge: an audit is put beside it; a calibration makes a new
 * version, which is warned of where there was nothing to calibrate. To be called before the job is completed, and
 * harmless when called again.
 *
 * @returns the result as the job keeps it: a calibration's names the new `judge`
 * @throws GavelError `unprocessable` for a result that is not of the job's kind; `not_found` when the judge is gone
 */
export async function settleJudgeJob(deps: Deps, job: JobRow, result: Result): Promise<Result> {
  const { spec, tenant } = job
  if (spec.type === 'judge.audit') {
    const audit = resultOf(spec.type, judgeAuditResult, result)
    const { id } = await findResource(deps.database, 'judges', tenant, spec.judge, 'judge')
    await deps.database.judges.annotate(tenant, id, { audit: { job: job.id, ...audit } })
  }
  if (spec.type !== 'judge.calibrate') return result
  const { methods: _, ...calibration } = resultOf(spec.type, judgeCalibrateResult, result)
  const measured = await findResource(deps.database, 'judges', tenant, spec.judge, 'judge')
  const base = cacheVersion({ id: measured.id, calibration: measured.body.calibration })
  // An audit looks at what is accepted, which the calibration changes.
  const { audit: _audit, warnings = [], ...kept } = measured.body
  const others = warnings.filter((one) => one !== NOT_INFORMATIVE)
  const found = calibration.informative === false ? [...others, NOT_INFORMATIVE] : others
  const body = {
    ...kept,
    ...(found.length > 0 && { warnings: found }),
    calibration: { job: job.id, base, ...calibration },
  }
  return { ...result, judge: await newVersion(deps, job, measured, body) }
}

/** Checks a result against the schema of its kind of job, which the description of the API leaves open. */
function resultOf<S extends v.GenericSchema>(type: Job['type'], schema: S, result: Result): v.InferOutput<S> {
  try {
    return parse(schema, result, 'result')
  } catch (error) {
    throw new GavelError('unprocessable', `The result of a ${type} job: ${(error as Error).message}`, {
      param: 'result',
    })
  }
}

/** The id of the calibrated judge, which follows from the job's, so that nothing is made twice. */
async function newVersion(
  { database, secrets, clock }: Deps,
  job: JobRow,
  { name, secret, id: measured }: ResourceRow<JudgeBody>,
  body: JudgeBody,
): Promise<string> {
  const id = job.id.replace(/^job_/, 'judge_')
  if (await database.judges.find(job.tenant, id)) return id
  // Secrets are sealed for the id that they belong to.
  const sealed = secret === null ? null : await secrets.seal(await secrets.open(secret, measured), id)
  const { spent: _, ...fresh } = body
  await database.judges.insert({ id, tenant: job.tenant, name, body: fresh, secret: sealed, createdAt: clock.now() })
  return id
}
