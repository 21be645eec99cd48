import type { Command } from 'commander'
import type { Client, NewJudge } from '../client.ts'
import type { CalibrationReport, JudgeAuditResult, JudgeCalibrateResult } from '../core/schemas/judge-jobs.ts'
import type { Judge, JudgeCache } from '../core/schemas/judge.ts'
import type { Judgment, JudgmentItem } from '../core/schemas/judgment.ts'
import { apiCommand, connect, decimal, listCommand, wholeNumber, type ApiOptions } from './api-command.ts'
import { follow } from './follow.ts'
import { CliError, EXIT, type Io } from './io.ts'
import { addJobFlags, jobFromFlags } from './job-flags.ts'
import { registerJudgeDoctor, warningsOf } from './judge-doctor.ts'
import { readGraded, registerJudgeLessons } from './judge-lessons.ts'
import { excerpt, figure, percent, print, printList, table, time, type Columns } from './output.ts'
import { readJsonLines, readJsonObject } from './read-input.ts'

/** Items of one request, when many are asked about: answers come as they are had, and no request takes very long. */
const BATCH = 64

const COLUMNS: Columns<Judge> = {
  id: (j) => j.id,
  name: (j) => j.name ?? '-',
  version: (j) => j.version,
  provider: (j) => j.provider.type,
  model: (j) => (j.provider.type === 'ensemble' ? `${j.provider.judges.length} judges` : (j.provider.model ?? '-')),
  template: (j) => (typeof j.template === 'string' ? j.template : 'its own'),
  labels: (j) => `${j.labels.yes}/${j.labels.no}`,
  calibrated: (j) => j.calibration?.map.method ?? '-',
  audit: (j) => (j.audit ? (j.audit.passed ? 'passed' : `failed`) : '-'),
  created: (j) => time(j.created_at),
}

interface CreateOptions extends ApiOptions {
  file?: string
  name?: string
  provider?: string
  model?: string
  baseUrl?: string
  api?: string
  endpointUrl?: string
  inferenceProvider?: string
  providerApiKey?: string
  template?: string
  yes?: string
  no?: string
  minLabelMass?: number
  timeoutMs?: number
  concurrency?: number
  engine?: string
  judges?: string[]
  combine?: string
  k?: number
  rubric?: string
  debias?: string[]
  maxAnswerChars?: number
  priceInput?: number
  priceOutput?: number
  budgetTokens?: number
  budgetCost?: number
  /** False with --no-probe. */
  probe: boolean
}

interface BudgetOptions extends ApiOptions {
  tokens?: number
  cost?: number
  none?: boolean
}

interface ScoreOptions extends ApiOptions {
  judge: string
  question?: string
  answer?: string
  reference?: string
}

/** `gavel judge`: named ways to get P(Yes), and asking them. */
export function registerJudge(program: Command, io: Io): void {
  const judge = program.command('judge').description('judges: named ways to get P(Yes), and asking them')

  apiCommand(judge, 'create', 'create a judge; it never changes, a name that exists gets its next version')
    .option('--file <file>', 'a JSON file with the body of POST /v1/judges; flags go on top of it')
    .option('--name <name>', 'what to call it')
    .option(
      '--provider <type>',
      'openai (any compatible endpoint), huggingface, decisions, systemone, rerank, workers_ai, local (a model here) or ensemble',
    )
    .option('--model <model>', "the provider's name of the model; of a local judge, a model by id or name")
    .option(
      '--base-url <url>',
      'openai, decisions, systemone, rerank: the endpoint up to and with its version, https://host/v1',
    )
    .option('--api <api>', 'openai: chat or completions')
    .option('--endpoint-url <url>', 'huggingface: a dedicated Inference Endpoint')
    .option('--inference-provider <name>', 'huggingface: the inference provider')
    .option('--engine <name>', 'local: gavel, or llama.cpp for any GGUF (needs the package node-llama-cpp)')
    .option('--judges <judge...>', 'ensemble: the judges that it is made of')
    .option('--combine <how>', 'ensemble: mean, min or mean_minus_sd')
    .option('--k <x>', 'ensemble: standard deviations taken off by mean_minus_sd', decimal)
    .option('--provider-api-key <key>', "the provider's secret (GAVEL_PROVIDER_API_KEY, which ps does not show)")
    .option('--template <name>', 'a built-in template; a template of yours goes into --file')
    .option('--rubric <text>', 'the criteria, for the template rubric')
    .option('--debias <how...>', 'wording, order: ask in several ways and take the mean')
    .option('--max-answer-chars <n>', 'longest answer shown whole', wholeNumber)
    .option('--yes <label>', 'the first token that means correct')
    .option('--no <label>', 'the first token that means wrong')
    .option('--min-label-mass <p>', 'least P(yes) + P(no), below which it abstains', decimal)
    .option('--timeout-ms <n>', 'longest wait for one call', wholeNumber)
    .option('--concurrency <n>', 'most calls at once', wholeNumber)
    .option('--price-input <x>', 'price of a million prompt tokens', decimal)
    .option('--price-output <x>', 'price of a million completion tokens', decimal)
    .option('--budget-tokens <n>', 'stop asking after so many tokens', wholeNumber)
    .option('--budget-cost <x>', 'stop asking after such a cost', decimal)
    .option('--no-probe', 'do not try its provider (two short calls); the judge is made whatever comes of that')
    .action(async (options: CreateOptions) => {
      const created = await connect(io, options).judges.create(bodyOf(options, io))
      print(io, options, created, (j) => `${j.id}${j.name === null ? '' : ` ${j.name} (version ${j.version})`}`)
      io.err(warningsOf(created))
    })

  registerJudgeDoctor(judge, io)

  listCommand(judge, 'list', 'list judges, newest first').action(async (options: ApiOptions & { limit: number }) => {
    await printList(io, options, connect(io, options).judges.list, COLUMNS)
  })

  apiCommand(judge, 'show <judge>', 'show a judge, by id or name').action(async (id: string, options: ApiOptions) => {
    print(io, options, await connect(io, options).judges.get(id), (j) => JSON.stringify(j, null, 2))
  })

  apiCommand(judge, 'cache <judge>', 'what is kept of its judgments, and how often that was of use')
    .option('--clear', 'forget them first: they will be asked for, and paid for, anew')
    .action(async (id: string, options: ApiOptions & { clear?: true }) => {
      const { judges } = connect(io, options)
      print(io, options, await (options.clear ? judges.clearCache(id) : judges.cache(id)), describeCache)
    })

  apiCommand(judge, 'budget <judge>', 'set what may be spent on a judge, in place of the budget it has')
    .option('--tokens <n>', 'stop asking after so many tokens', wholeNumber)
    .option('--cost <x>', 'stop asking after such a cost, in US dollars; needs a judge with prices', decimal)
    .option('--none', 'lift the limit')
    .action(async (id: string, { tokens, cost, none, ...options }: BudgetOptions) => {
      const isSet = tokens !== undefined || cost !== undefined
      if (isSet === Boolean(none)) throw new CliError('Give --tokens, --cost or both, or else --none.', EXIT.usage)
      const budget = none ? null : { ...(tokens !== undefined && { tokens }), ...(cost !== undefined && { cost }) }
      print(io, options, await connect(io, options).judges.setBudget(id, budget), describeBudget)
    })

  apiCommand(judge, 'delete <judge>', 'delete a judge and its secret').action(
    async (id: string, options: ApiOptions) => {
      print(io, options, await connect(io, options).judges.delete(id), (d) => `${d.id} is deleted`)
    },
  )

  apiCommand(judge, 'score [file]', 'have a judge score one answer, or the items {question, answer} of a JSONL file')
    .requiredOption('--judge <judge>', 'the judge, by id or name')
    .option('--question <text>', 'what was asked')
    .option('--answer <text>', 'the answer to judge')
    .option('--reference <text>', 'the right answer, for templates that show it')
    .action((file: string | undefined, options: ScoreOptions) => score(io, file, options))

  registerJudgeJob(judge, io, 'judge.calibrate', {
    arguments: '[graded.jsonl]',
    description:
      'find what the probabilities of a judge are worth, on a dataset or a file of graded answers; makes its next version',
    text: describeCalibration,
    passed: (calibration) => calibration.informative !== false,
    failure: 'There was nothing to calibrate.',
  })
  registerJudgeJob(judge, io, 'judge.audit', {
    description: 'try to fool a judge, and keep with it how often that worked; exit code 1 where it is above the limit',
    text: describeAudit,
    passed: (audit) => audit.passed,
    failure: 'The judge did not pass.',
  })
  registerJudgeLessons(judge, io)
}

function describeCache({ judge, entries, hits, misses }: JudgeCache): string {
  const lookups = hits + misses
  const share = lookups === 0 ? '' : ` (${percent(hits / lookups)})`
  return `${judge} has ${entries} judgments kept; ${hits} of ${lookups} lookups found one${share}`
}

/** `1500 of 5000000 tokens, $0.3 of $20`. */
function describeBudget({ id, budget, spent = { tokens: 0, cost: 0 } }: Judge): string {
  if (!budget) return `${id} has no budget`
  const { tokens, cost } = budget
  const caps = [
    ...(tokens === undefined ? [] : [`${spent.tokens} of ${tokens} tokens`]),
    ...(cost === undefined ? [] : [`$${figure(spent.cost)} of $${cost}`]),
  ]
  return `${id} has spent ${caps.join(', ')}`
}

interface JudgeResults {
  'judge.calibrate': JudgeCalibrateResult & { judge: string }
  'judge.audit': JudgeAuditResult
}

/** A command that runs a job about a judge to its end and prints what it found. */
function registerJudgeJob<T extends keyof JudgeResults>(
  judge: Command,
  io: Io,
  type: T,
  how: {
    /** A file of graded answers in place of --dataset. */
    arguments?: string
    description: string
    text: (result: JudgeResults[T]) => string
    passed: (result: JudgeResults[T]) => boolean
    /** What it means where it did not pass. */
    failure: string
  },
): void {
  const name = `${type.replace('judge.', '')} ${how.arguments ?? ''}`.trim()
  const command = addJobFlags(apiCommand(judge, name, how.description), type)
  command.action(async (...given: unknown[]) => {
    const [file, options] = (how.arguments ? given : [undefined, ...given]) as [string | undefined, JudgeJobOptions]
    const api = connect(io, options)
    const dataset = file === undefined ? options.dataset : await uploadGraded(api, file, options)
    const job = await api.jobs.create(jobFromFlags(type, { ...options, ...(dataset !== undefined && { dataset }) }))
    // Standard output is for the result.
    const ended = await follow(io, api, job, {}, (line) => io.err(`${line}\n`))
    const result = ended.result as unknown as JudgeResults[T]
    print(io, options, { job: ended.id, ...result }, how.text)
    if (!how.passed(result)) throw new CliError(how.failure)
  })
}

interface JudgeJobOptions extends ApiOptions {
  dataset?: string
}

async function uploadGraded(api: Client, file: string, { dataset }: JudgeJobOptions): Promise<string> {
  if (dataset !== undefined) throw new CliError('Give either a file of graded answers or --dataset.', EXIT.usage)
  const rows = readGraded(file).map(({ question, answer, correct }) => ({
    prompt: question,
    completion: answer,
    correct,
  }))
  return (await api.datasets.create(rows.map((row) => JSON.stringify(row)).join('\n'))).id
}

function describeCalibration({
  judge,
  informative,
  scored,
  questions,
  map,
  before,
  after,
}: JudgeResults['judge.calibrate']): string {
  const interval = (value: CalibrationReport['auc']) =>
    value === null ? '-' : `${figure(value.value)} (${figure(value.low)} to ${figure(value.high)})`
  const rows = (['auc', 'accuracy', 'ece', 'brier'] as const).map((metric) => ({ metric, before, after }))
  const shown = table(
    {
      '': (row) => row.metric,
      before: (row) => interval(row.before[row.metric]),
      after: (row) => interval(row.after[row.metric]),
    },
    rows,
  )
  if (informative === false) {
    const isReversed = before.auc !== null && before.auc.high < 0.5
    const advice = isReversed
      ? 'It is surely worse than a coin: are its labels the wrong way round?'
      : 'More graded answers narrow the interval; a better judge moves it.'
    return `nothing to calibrate: an AUC of ${interval(before.auc)} on ${scored} answers to ${questions} questions is not surely above a coin's 0.5, so ${judge} only knows the share that is right. ${advice}\n${shown}`
  }
  return `${judge} is calibrated (${map.method}) on ${scored} answers to ${questions} questions; held out:\n${shown}`
}

function describeAudit({ attacks, right, passed, limit, failures }: JudgeAuditResult): string {
  const share = (rate: number | null) => (rate === null ? '-' : percent(rate))
  const shown = table(
    {
      attack: (row) => row.attack,
      accepted: (row) => `${row.accepted} of ${row.n}`,
      rate: (row) => share(row.rate),
      '95 % interval': (row) => `${percent(row.low)} to ${percent(row.high)}`,
      abstained: (row) => row.abstained,
      failed: (row) => row.failed,
    },
    [...attacks, { attack: '(right solutions)', ...right }],
  )
  const rule = `cheats at most ${percent(limit)}, near misses less often than right solutions`
  return `${shown}\n${passed ? 'passed' : `did not pass, by ${failures.join(', ')}`} (allowed: ${rule})`
}

const WITHOUT_SECRET = new Set<unknown>(['workers_ai', 'local', 'ensemble'] satisfies NewJudge['provider']['type'][])

/** What `judge show` prints beside what a judge is made from: a file may hold a judge as shown, to make another like it. */
const SHOWN_ONLY = ['id', 'object', 'version', 'created_at', 'spent', 'calibration', 'audit', 'warnings']

function readBody(file: string): Record<string, unknown> {
  const body = readJsonObject(file)
  for (const key of SHOWN_ONLY) delete body[key]
  if (typeof body.probe !== 'boolean') delete body.probe
  if (typeof body.provider === 'object' && body.provider !== null) {
    const { has_api_key: _, ...provider } = body.provider as Record<string, unknown>
    body.provider = provider
  }
  return body
}

/** Only what was given: defaults and rules are the API's. */
function bodyOf(options: CreateOptions, io: Io): NewJudge {
  const body = options.file === undefined ? {} : readBody(options.file)
  const type = options.provider ?? (body.provider as { type?: unknown } | undefined)?.type
  const provider = {
    type,
    model: options.model,
    base_url: options.baseUrl,
    api: options.api,
    endpoint_url: options.endpointUrl,
    inference_provider: options.inferenceProvider,
    engine: options.engine,
    judges: options.judges,
    combine: options.combine,
    k: options.k,
    // A variable that is always set must not trouble judges that take no secret.
    api_key:
      options.providerApiKey ?? (WITHOUT_SECRET.has(type) ? undefined : io.env.GAVEL_PROVIDER_API_KEY || undefined),
  }
  return {
    ...body,
    probe: options.probe && body.probe !== false,
    provider: withoutGaps(body.provider, provider),
    ...withoutGaps(undefined, {
      name: options.name,
      template: options.template,
      rubric: options.rubric,
      debias: options.debias,
      max_answer_chars: options.maxAnswerChars,
      min_label_mass: options.minLabelMass,
      timeout_ms: options.timeoutMs,
      concurrency: options.concurrency,
    }),
    ...((options.yes ?? options.no) !== undefined && {
      labels: withoutGaps(body.labels, { yes: options.yes, no: options.no }),
    }),
    ...((options.priceInput ?? options.priceOutput) !== undefined && {
      price: withoutGaps(body.price, { input: options.priceInput, output: options.priceOutput }),
    }),
    ...((options.budgetTokens ?? options.budgetCost) !== undefined && {
      budget: withoutGaps(body.budget, { tokens: options.budgetTokens, cost: options.budgetCost }),
    }),
  } as NewJudge
}

/** `base`, and on top of it the entries that were given. */
const withoutGaps = (base: unknown, entries: object) => ({
  ...(base as object | undefined),
  ...Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)),
})

async function score(io: Io, file: string | undefined, options: ScoreOptions): Promise<void> {
  const items = itemsOf(file, options)
  const api = connect(io, options)
  let failed = 0
  for (let from = 0; from < items.length; from += BATCH) {
    const batch = items.slice(from, from + BATCH)
    for (const [index, judgment] of (await api.judge(options.judge, batch)).entries()) {
      if (judgment.outcome === 'failed') failed++
      print(io, options, judgment, () => describe(judgment, items.length > 1 ? batch[index] : undefined))
    }
  }
  if (failed > 0) {
    throw new CliError(
      `${failed} of ${items.length} could not be judged; the reasons are above. Ask again: what is known is not asked twice.`,
    )
  }
}

function itemsOf(file: string | undefined, { question, answer, reference }: ScoreOptions): JudgmentItem[] {
  if (file !== undefined && question === undefined && answer === undefined) {
    // Other keys are of the user's own; the API knows only these.
    return readJsonLines(file, () => null).map(
      ({ row: { question, answer, messages, reference } }) =>
        ({
          ...(messages === undefined ? { question, answer } : { messages }),
          ...(reference !== undefined && { reference }),
        }) as JudgmentItem,
    )
  }
  if (file === undefined && question !== undefined && answer !== undefined) {
    return [{ question, answer, ...(reference !== undefined && { reference }) }]
  }
  throw new CliError('Give either --question and --answer, or a JSONL file with items {question, answer}.', EXIT.usage)
}

function describe(judgment: Judgment, item: JudgmentItem | undefined): string {
  const said = item && excerpt(item.answer ?? item.messages!.at(-1)!.content)
  const score =
    judgment.outcome === 'scored'
      ? `${judgment.reward.toFixed(4)}  label mass ${figure(judgment.label_mass)}${judgment.cached ? ', cached' : ''}`
      : `${judgment.outcome}: ${judgment.reason}`
  return said === undefined ? score : `${score}  ${said}`
}
