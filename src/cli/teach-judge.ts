/** Teaching judges over the public API, and looking at what came of it. */
import { all, type Client, type NewJob } from '../client.ts'
import { judgeTrainingRows, type GradedAnswer } from '../core/judges/judge-training-rows.ts'
import type { Job } from '../core/schemas/job.ts'
import type { JudgeAuditResult, JudgeCalibrateResult } from '../core/schemas/judge-jobs.ts'
import type { Judge } from '../core/schemas/judge.ts'
import { agreement, aucWithin } from '../core/stats/agreement.ts'
import { runToEnd } from './run-to-end.ts'

export type ConfigOf<T extends NewJob['type']> = Extract<NewJob, { type: T }>['config']

/** How a judge did on graded answers. Null where there is nothing to divide by. */
export interface JudgeFigures {
  n: number
  /** How many it gave a verdict on; the others are in no figure. */
  scored: number
  auc: number | null
  /** The same among answers to one question, in the mean. */
  auc_within_question: number | null
  accuracy: number | null
  false_positive_rate: number | null
  false_negative_rate: number | null
}

export function figuresOf(scored: readonly (GradedAnswer & { score: number })[], n: number): JudgeFigures {
  const { auc, accuracy, falsePositiveRate, falseNegativeRate } = agreement(scored)
  return {
    n,
    scored: scored.length,
    auc,
    auc_within_question: aucWithin(scored, ({ question }) => question),
    accuracy,
    false_positive_rate: falsePositiveRate,
    false_negative_rate: falseNegativeRate,
  }
}

/** What a look at a judge takes. */
interface LookOptions {
  say: TeachOptions['say']
  /** By id or name. */
  dataset: string
  seed: number
}

/**
 * How well a judge tells right answers from wrong ones, by a `judge.calibrate` job: the figures of its probabilities as
 * they are, with intervals, and its next version, which calibrates them. Null where the job fails, which is told: a model
 * that was never taught to judge may well say neither Yes nor No.
 */
export async function calibrateJudge(api: Client, judge: string, options: LookOptions) {
  const result = await look<JudgeCalibrateResult>(api, 'judge.calibrate', judge, options)
  return result && result.before
}

/** What fools a judge, by a `judge.audit` job on a dataset with answers. Null where the job fails, which is told. */
export const auditJudge = (api: Client, judge: string, options: LookOptions) =>
  look<JudgeAuditResult>(api, 'judge.audit', judge, options)

async function look<R>(
  api: Client,
  type: 'judge.calibrate' | 'judge.audit',
  judge: string,
  { say, dataset, seed }: LookOptions,
): Promise<R | null> {
  const job = await runToEnd(api, say, { type, judge, dataset, config: { seed } }).catch((error: Error) =>
    say(`no figures: ${error.message}`),
  )
  return job ? (job.result as R) : null
}

export interface TeachOptions {
  /** Says what goes on, a line at a time. */
  say: (line: string) => void
  /** How the judge asks, and what it is called; a judge of that name gets its next version. */
  judge: Pick<Judge, 'template' | 'labels'> & { name: string }
  /** The model to start from: by id or name. */
  model: string
  seed: number
  sft: ConfigOf<'sft'>
}

/** SFT of a model on graded answers, and a judge of what comes of it. */
export async function teachJudge(
  api: Client,
  graded: readonly GradedAnswer[],
  { say, judge, model, seed, sft }: TeachOptions,
): Promise<Judge> {
  const rows = judgeTrainingRows(graded, { ...judge, seed })
  const jsonl = rows.map((row) => JSON.stringify(row)).join('\n')
  const dataset = await api.datasets.create(jsonl, { name: `${judge.name}-lessons` })
  const job = await runToEnd(api, say, {
    type: 'sft',
    name: `${judge.name}-training`,
    model,
    dataset: dataset.id,
    config: { ...sft, seed },
  })
  const made = await api.models.create({ name: `${judge.name}-model`, source: await newestCheckpoint(api, job) })
  return api.judges.create({ ...judge, provider: { type: 'local', model: made.id } })
}

async function newestCheckpoint(api: Client, job: Job) {
  const [newest] = await all(api.jobs.checkpoints(job.id, { limit: 1 }))
  return { type: 'checkpoint', checkpoint: newest!.id } as const
}
