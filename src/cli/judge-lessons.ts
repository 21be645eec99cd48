import type { Command } from 'commander'
import type { GradedAnswer } from '../core/judges/judge-training-rows.ts'
import type { CalibrationReport, JudgeAuditResult } from '../core/schemas/judge-jobs.ts'
import { apiCommand, connect, decimal, wholeNumber, type ApiOptions } from './api-command.ts'
import { hardenJudge, type Hardened } from './harden-judge.ts'
import { CliError, EXIT, type Io } from './io.ts'
import { percent, print, table, type Columns } from './output.ts'
import { readJsonLines, readJsonObject } from './read-input.ts'
import { auditJudge, calibrateJudge, teachJudge } from './teach-judge.ts'

interface LessonOptions extends ApiOptions {
  seed: number
  steps: number
  learningRate: number
  batchSize: number
  maxTokens: number
  loraRank?: number
}

interface TrainOptions extends LessonOptions {
  model: string
  name: string
  file?: string
  test?: string
  audit?: string
}

interface HardenOptions extends LessonOptions {
  student: string
  prompts: string
  heldOut: string
  rounds: number
  promptTemplate: string
  grpo: string
}

/** `gavel judge train` and `gavel judge harden`. */
export function registerJudgeLessons(judge: Command, io: Io): void {
  lessons(apiCommand(judge, 'train <graded.jsonl>', 'teach a model to judge, on graded answers'))
    .requiredOption('--model <model>', 'the model to start from, by id or name: best one that solves such questions')
    .requiredOption('--name <name>', 'what to call the judge')
    .option('--file <file>', 'a JSON file with {template, labels} of the judge; the built-in template when left out')
    .option(
      '--test <graded.jsonl>',
      'other graded answers: the judge is measured on them before and after, and calibrated',
    )
    .option('--audit <dataset>', 'a dataset with answers, by id or name: the judge is audited on it before and after')
    .action((path: string, options: TrainOptions) => train(io, path, options))

  lessons(apiCommand(judge, 'harden <judge>', 'teach a local judge on what fools it, until that stops helping'))
    .requiredOption('--student <model>', 'the model that learns to please it, by id or name')
    .requiredOption('--prompts <dataset>', 'what the student trains on; the answers in it are for grading only')
    .requiredOption('--held-out <dataset>', 'other questions with answers, on which the student is measured')
    .requiredOption('--grpo <file>', "a JSON file with the `config` of the student's GRPO job")
    .option('--prompt-template <text>', 'text around the prompt, with {prompt} in it', '{prompt}')
    .option('--rounds <n>', 'most rounds', wholeNumber, 8)
    .action(async (id: string, options: HardenOptions) => {
      const hardened = await hardenJudge(connect(io, options), {
        ...options,
        ...sftOf(options),
        say: (line) => void io.err(`${line}\n`),
        judge: id,
        grpo: readJsonObject(options.grpo) as never,
      })
      print(io, options, hardened, describe)
    })
}

async function train(io: Io, path: string, options: TrainOptions): Promise<void> {
  const { name, seed } = options
  const graded = readGraded(path)
  const test = options.test === undefined ? null : readGraded(options.test)
  const asks = options.file === undefined ? {} : readJsonObject(options.file)
  const api = connect(io, options)
  const say = (line: string) => void io.err(`${line}\n`)
  const testRows = test && (await api.datasets.create(testJsonl(test), { name: `${name}-test` }))
  const look = async (judge: string) => ({
    figures: testRows && (await calibrateJudge(api, judge, { say, seed, dataset: testRows.id })),
    ...(options.audit !== undefined && { audit: await auditJudge(api, judge, { say, seed, dataset: options.audit }) }),
  })
  // The model as it is, as a judge: what to compare with, and what the API makes of template and labels.
  const local = { ...asks, provider: { type: 'local', model: options.model } as const }
  const untaught = await api.judges.create({ ...local, name: `${name}-untaught` })
  const before = await look(untaught.id)
  const judge = { name, template: untaught.template, labels: untaught.labels }
  const taught = await teachJudge(api, graded, { ...options, ...sftOf(options), say, judge })
  const after = await look(taught.id)
  const made = await api.judges.get(name)
  print(io, options, { judge: made, before, after }, () =>
    [`${made.id} ${name} (version ${made.version})`, ...compareLooks({ before, after })].join('\n'),
  )
}

const testJsonl = (graded: readonly GradedAnswer[]): string =>
  graded
    .map(({ question, answer, correct }) => JSON.stringify({ prompt: question, completion: answer, correct }))
    .join('\n')

/** What both take of the SFT job that does the teaching. */
const lessons = (command: Command): Command =>
  command
    .option('--seed <n>', 'seed of every random choice', wholeNumber, 1)
    .option('--steps <n>', 'optimizer steps of the lessons', wholeNumber, 300)
    .option('--learning-rate <x>', 'peak learning rate of the lessons', decimal, 5e-5)
    .option('--batch-size <n>', 'rows of a step of the lessons', wholeNumber, 16)
    .option('--max-tokens <n>', 'longest row of the lessons in tokens', wholeNumber, 1024)
    .option('--lora-rank <n>', 'train adapters of this rank (LoRA) instead of the whole model', wholeNumber)

const sftOf = ({ steps, learningRate, batchSize, maxTokens, loraRank }: LessonOptions) => ({
  sft: {
    steps,
    learning_rate: learningRate,
    batch_size: batchSize,
    max_tokens: maxTokens,
    warmup_steps: Math.round(steps / 20),
    schedule: 'cosine' as const,
    ...(loraRank !== undefined && { lora: { rank: loraRank } }),
  },
})

/** The names that a graded answer's parts may have: our own, and those of GSM8K's published model solutions. */
const ANSWER_FIELDS = ['model_solution', 'answer'] as const
const VERDICT_FIELDS = ['is_correct', 'correct'] as const

/** Rows of {question, answer, correct}, or {question, model_solution, is_correct}. */
export function readGraded(path: string): GradedAnswer[] {
  const find = (row: Record<string, unknown>, names: readonly string[]) => row[names.find((name) => name in row) ?? '']
  const rows = readJsonLines(path, (row) => {
    if (typeof row.question !== 'string') return 'lacks `question`, a text'
    if (typeof find(row, ANSWER_FIELDS) !== 'string') return 'lacks `answer` (or `model_solution`), a text'
    return typeof find(row, VERDICT_FIELDS) === 'boolean' ? null : 'lacks `correct` (or `is_correct`), true or false'
  })
  const graded = rows.map(({ row }) => ({
    question: row.question as string,
    answer: find(row, ANSWER_FIELDS) as string,
    correct: find(row, VERDICT_FIELDS) as boolean,
  }))
  if (graded.some(({ correct }) => correct) && graded.some(({ correct }) => !correct)) return graded
  throw new CliError(`${path} must hold right and wrong answers; add the kind that is missing.`, EXIT.usage)
}

interface Look {
  figures: CalibrationReport | null
  audit?: JudgeAuditResult | null
}

function compareLooks(looks: Record<'before' | 'after', Look>): string[] {
  const rows = Object.entries(looks)
  const figures = rows.flatMap(([name, { figures }]) => (figures ? [{ name, ...figures }] : []))
  const audits = rows.flatMap(([name, { audit }]) => (audit ? [{ name, ...audit }] : []))
  const columns: Columns<(typeof figures)[number]> = {
    '': (f) => f.name,
    AUC: (f) => measured(f.auc),
    accuracy: (f) => measured(f.accuracy),
    ECE: (f) => measured(f.ece),
    Brier: (f) => measured(f.brier),
  }
  return [
    ...(figures.length > 0 ? [table(columns, figures)] : []),
    ...audits.map(
      ({ name, passed, failures }) => `audit ${name}: ${passed ? 'passed' : `did not pass, by ${failures.join(', ')}`}`,
    ),
  ]
}

const measured = (figure: CalibrationReport['auc']): string =>
  figure ? `${figure.value.toFixed(3)} [${figure.low.toFixed(3)}, ${figure.high.toFixed(3)}]` : '-'

const describe = ({ before, rounds, best }: Hardened): string =>
  [
    `Before any training the student solves ${shareOf(before.accuracy)} of ${before.n} held-out problems.`,
    table(
      {
        round: ([i]) => i + 1,
        judge: ([, r]) => r.judge,
        'wrong accepted': ([, r]) => shareOf(r.fooled),
        'worst cheat': ([, r]) => (r.worst_cheat ? `${percent(r.worst_cheat.rate)} ${r.worst_cheat.attack}` : '-'),
        'AUC in question': ([, r]) => r.on_the_way.auc_within_question?.toFixed(3) ?? '-',
        'student after': ([, r]) => shareOf(r.student.accuracy),
        '95 % interval': ([, r]) => `${percent(r.student.low)} to ${percent(r.student.high)}`,
      },
      [...rounds.entries()],
    ),
    `Fooled least, and the newest of its name: ${best}`,
  ].join('\n')

const shareOf = (value: number | null) => (value === null ? '-' : percent(value))
