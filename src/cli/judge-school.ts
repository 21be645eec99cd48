/** Teaching judges over the public API: on graded answers, and on what fooled them. */
import { judgeTrainingRows, type GradedAnswer } from '../core/judges/training-rows.ts'
import type { EvalResult } from '../core/schemas/eval.ts'
import type { Job, Sample } from '../core/schemas/job.ts'
import type { Judge } from '../core/schemas/judge.ts'
import type { JudgeAuditResult, JudgeCalibrateResult } from '../core/schemas/judge-jobs.ts'
import { agreement, aucWithin } from '../core/stats/agreement.ts'
import { all, type Client, type NewJob } from './client.ts'

type ConfigOf<T extends NewJob['type']> = Extract<NewJob, { type: T }>['config']

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

function figuresOf(scored: readonly (GradedAnswer & { score: number })[], n: number): JudgeFigures {
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
  const job = await finished(api, say, { type, judge, dataset, config: { seed } }).catch((error: Error) =>
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
  const job = await finished(api, say, {
    type: 'sft',
    name: `${judge.name}-training`,
    model,
    dataset: dataset.id,
    config: { ...sft, seed },
  })
  const made = await api.models.create({ name: `${judge.name}-model`, source: await newestCheckpoint(api, job) })
  return api.judges.create({ ...judge, provider: { type: 'local', model: made.id } })
}

export interface HardenOptions extends Omit<TeachOptions, 'judge' | 'model'> {
  /** A local judge, by id or name. */
  judge: string
  /** The model that learns to please the judge: by id or name. It starts anew in each round. */
  student: string
  /** Datasets with answers, by id or name: what the student trains on (it never sees the answers), and another. */
  prompts: string
  heldOut: string
  promptTemplate: string
  /** Most rounds. */
  rounds: number
  grpo: ConfigOf<'grpo'>
}

export interface Round {
  /** The judge that the student trained against. */
  judge: string
  /** What the student solves of the held-out problems at the end. */
  student: EvalResult
  /** Wrong answers on its way that the judge accepts, as a share of all wrong ones. */
  fooled: number | null
  /** The judge on all answers of the student on its way. */
  on_the_way: JudgeFigures
}

export interface Hardened {
  /** The student before any training. */
  before: EvalResult
  /** The judge at first on answers to held-out problems, of the student before and after each round's training. */
  rounds: Round[]
  /** Which judge was fooled least. */
  best: string
}

/** Looks at the student on its way, and how many a round. */
const LOOKS = 4

/** Rounds that may pass without a new lowest share of wrong answers accepted: a student finds other ways at times. */
const PATIENCE = 2

/**
 * Lets a student train against a judge alone, grades what it wrote on its way, teaches the judge on that, and begins
 * anew with the judge that comes of it, until the share of wrong answers that pass stops falling or `rounds` are over.
 * Each new judge is a version of the first one's name, taught further on all that has been found.
 */
export async function hardenJudge(api: Client, options: HardenOptions): Promise<Hardened> {
  const { say, seed, student, rounds: most } = options
  const first = await api.judges.get(options.judge)
  // Before anything is made: only a model of ours can be taught.
  modelOf(first)
  const name = first.name ?? first.id
  const asks = { name, template: first.template, labels: first.labels }
  const before = await evaluate(api, options, student)
  say(`student: ${spell(before)} of held-out problems solved`)
  const lessons = await answersOf(api, options, student, first.id)

  const rounds: Round[] = []
  let judge = first
  for (;;) {
    const job = await finished(api, say, {
      type: 'grpo',
      name: `${name}-round-${rounds.length + 1}`,
      model: student,
      data: { unlabelled: options.prompts },
      prompt_template: options.promptTemplate,
      reward: { lambda: 0, mu: 1, judge: judge.id },
      // What fools it is what is looked for.
      allow_failed_audit: judge.id,
      config: { ...options.grpo, seed, checkpoint_every: Math.ceil(options.grpo.steps / LOOKS) },
    })
    const looks = await all(api.jobs.checkpoints(job.id))
    const written: Scored[] = []
    for (const { id } of looks) written.push(...(await answersOf(api, options, id, judge.id)))
    const newest = looks.reduce((a, b) => (a.step > b.step ? a : b))
    const after = await evaluate(api, options, newest.id)
    const on_the_way = figuresOf(written, written.length)
    const fooled = on_the_way.false_positive_rate
    rounds.push({ judge: judge.id, student: after, fooled, on_the_way })
    say(`round ${rounds.length}: ${judge.id} accepted ${share(fooled)} of the wrong answers; student ${spell(after)}`)
    if (rounds.length === most || fooled === null || rounds.length - 1 - leastFooled(rounds) >= PATIENCE) break
    lessons.push(...written)
    judge = await teachJudge(api, lessons, { ...options, model: modelOf(judge), judge: asks })
  }
  return { before, rounds, best: rounds[leastFooled(rounds)]!.judge }
}

/** The round whose judge accepted the smallest share of the wrong answers; the earliest of equals. */
const leastFooled = (rounds: readonly Round[]): number =>
  rounds.reduce((best, { fooled }, i) => ((fooled ?? 0) < (rounds[best]!.fooled ?? 0) ? i : best), 0)

function modelOf({ id, provider }: Judge): string {
  if (provider.type === 'local') return provider.model
  throw new Error(`${id} is not a local judge: it cannot be taught here`)
}

type Scored = GradedAnswer & { score: number }

/** Sampled answers of a model to the student's prompts, with the truth and the judge's view of each it has scored. */
async function answersOf(api: Client, options: HardenOptions, model: string, judge: string): Promise<Scored[]> {
  const job = await finished(api, options.say, {
    ...evaluationOf(options, model, options.prompts),
    judge,
    config: { ...samplingOf(options), temperature: 1, samples: 100_000 },
  })
  const rows = await all(api.datasets.rows(options.prompts))
  const questions = rows.map(({ row }) => row.prompt ?? row.messages!.findLast((m) => m.role === 'user')!.content)
  return (await all(api.jobs.samples(job.id))).flatMap(({ index, completion, reward, terms }: Sample) => {
    const score = terms?.judge
    if (typeof score !== 'number') return []
    return [{ question: questions[index]!, answer: completion, correct: reward === 1, score }]
  })
}

async function evaluate(api: Client, options: HardenOptions, model: string): Promise<EvalResult> {
  const job = await finished(api, options.say, {
    ...evaluationOf(options, model, options.heldOut),
    config: samplingOf(options),
  })
  return job.result as EvalResult
}

const evaluationOf = ({ promptTemplate }: HardenOptions, model: string, dataset: string) =>
  ({ type: 'eval', model, dataset, prompt_template: promptTemplate, verifier: 'math' }) as const

const samplingOf = ({ seed, grpo: { max_prompt_tokens, max_new_tokens } }: HardenOptions) => ({
  seed,
  ...(max_prompt_tokens && { max_prompt_tokens }),
  ...(max_new_tokens && { max_new_tokens }),
})

async function newestCheckpoint(api: Client, job: Job) {
  const [newest] = await all(api.jobs.checkpoints(job.id, { limit: 1 }))
  return { type: 'checkpoint', checkpoint: newest!.id } as const
}

/** Runs a job to its end. Throws, with the job's own message, where it does not get there. */
async function finished(api: Client, say: (line: string) => void, spec: NewJob): Promise<Job> {
  const { id } = await api.jobs.create(spec)
  for await (const news of api.jobs.watch(id)) {
    if ('event' in news && news.event.level !== 'info') say(`${id}: ${news.event.message}`)
  }
  const job = await api.jobs.get(id)
  if (job.state === 'succeeded') return job
  throw new Error(`${spec.type} job ${id} ${job.state}${job.error ? `: ${job.error.message}` : ''}`)
}

const share = (value: number | null) => (value === null ? 'none' : `${(100 * value).toFixed(1)} %`)
const spell = ({ accuracy, low, high }: EvalResult) => `${share(accuracy)} [${share(low)}, ${share(high)}]`
