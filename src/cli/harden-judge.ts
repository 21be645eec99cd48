/** Teaching judges, over the public API, on what fooled them. */
import { all, type Client } from '../client.ts'
import { cheatLessons } from '../core/judges/cheat-lessons.ts'
import type { GradedAnswer } from '../core/judges/judge-training-rows.ts'
import type { EvalResult } from '../core/schemas/eval.ts'
import type { Sample } from '../core/schemas/job.ts'
import { isCheat, type Attack, type JudgeAuditResult } from '../core/schemas/judge-jobs.ts'
import type { Judge } from '../core/schemas/judge.ts'
import { runToEnd } from './run-to-end.ts'
import {
  auditJudge,
  figuresOf,
  teachJudge,
  type ConfigOf,
  type JudgeFigures,
  type TeachOptions,
} from './teach-judge.ts'

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
  /** The cheat that the judge accepts most often, by an audit; null where that could not be had. */
  worst_cheat: { attack: Attack; rate: number } | null
  /** The judge on all answers of the student on its way. */
  on_the_way: JudgeFigures
}

export interface Hardened {
  /** The student before any training. */
  before: EvalResult
  /** The judge at first on answers to held-out problems, of the student before and after each round's training. */
  rounds: Round[]
  /** The newest version of the judge's name: the one that is fooled least, made again where another came after it. */
  best: string
}

/** Looks at the student on its way, and how many a round. */
const LOOKS = 4

/** A cheat that is accepted more often than this is taught, by so many texts of it a round. */
const WELL_KNOWN = 0.01
const CHEAT_LESSONS = 300

/** Rounds that may pass without a judge that is fooled less: a student finds other ways at times. */
const PATIENCE = 2

/**
 * Lets a student train against a judge alone, grades what it wrote on its way, teaches the judge on that and on the cheats
 * of an audit that it accepted, and begins anew with the judge that comes of it, until judges are fooled no less or
 * `rounds` are over. A judge is as easily fooled as the larger share says: of the student's wrong answers, or of the worst
 * cheat of an audit, which it accepts. Each new judge is a version of the first one's name, taught further on all that has
 * been found.
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
  const lessons: GradedAnswer[] = await answersOf(api, options, student, first.id)

  const rounds: Round[] = []
  let judge = first
  for (;;) {
    const job = await runToEnd(api, say, {
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
    const cheats = cheatsOf(await auditJudge(api, judge.id, { say, seed, dataset: options.heldOut }))
    const worst_cheat = cheats.reduce<Round['worst_cheat']>((a, b) => (a && a.rate >= b.rate ? a : b), null)
    rounds.push({ judge: judge.id, student: after, fooled, worst_cheat, on_the_way })
    const cheat = worst_cheat ? `, and of cheats ${share(worst_cheat.rate)} of ${worst_cheat.attack} at most` : ''
    say(
      `round ${rounds.length}: ${judge.id} accepted ${share(fooled)} of the wrong answers${cheat}; student ${spell(after)}`,
    )
    if (rounds.length === most || !isFalling(rounds)) break
    lessons.push(...written)
    const fooledBy = cheats.filter(({ rate }) => rate > WELL_KNOWN).map(({ attack }) => attack)
    lessons.push(...cheatLessons(fooledBy, lessons, { judge: asks, count: CHEAT_LESSONS, seed }))
    judge = await teachJudge(api, lessons, { ...options, model: modelOf(judge), judge: asks })
  }
  const best = await api.judges.get(rounds[leastFooled(rounds)]!.judge)
  if (best.id !== judge.id)
    judge = await api.judges.create({ ...asks, provider: { type: 'local', model: modelOf(best) } })
  return { before, rounds, best: judge.id }
}

type Fooled = Pick<Round, 'fooled' | 'worst_cheat'>

/** How easily a round's judge is fooled, 0 … 1. */
const ease = ({ fooled, worst_cheat }: Fooled): number => Math.max(fooled ?? 0, worst_cheat?.rate ?? 0)

/** How often an audit's cheats are accepted, of those that could be tried. */
const cheatsOf = (audit: JudgeAuditResult | null): { attack: Attack; rate: number }[] =>
  (audit?.attacks ?? []).flatMap(({ attack, rate }) => (rate !== null && isCheat(attack) ? [{ attack, rate }] : []))

/** Whether another round may help: wrong answers are still made, and judges were fooled less not long ago. */
export const isFalling = (rounds: readonly Fooled[]): boolean =>
  rounds.at(-1)!.fooled !== null && rounds.length - 1 - leastFooled(rounds) < PATIENCE

/** The round whose judge is fooled least; the earliest of equals. */
export const leastFooled = (rounds: readonly Fooled[]): number =>
  rounds.reduce((best, round, i) => (ease(round) < ease(rounds[best]!) ? i : best), 0)

function modelOf({ id, provider }: Judge): string {
  if (provider.type === 'local') return provider.model
  throw new Error(`${id} is not a local judge: it cannot be taught here`)
}

type Scored = GradedAnswer & { score: number }

/** Sampled answers of a model to the student's prompts, with the truth and the judge's view of each it has scored. */
async function answersOf(api: Client, options: HardenOptions, model: string, judge: string): Promise<Scored[]> {
  const job = await runToEnd(api, options.say, {
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
  const job = await runToEnd(api, options.say, {
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

const share = (value: number | null) => (value === null ? 'none' : `${(100 * value).toFixed(1)} %`)
const spell = ({ accuracy, low, high }: EvalResult) => `${share(accuracy)} [${share(low)}, ${share(high)}]`
