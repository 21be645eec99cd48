import { type Command, InvalidArgumentError, Option } from 'commander'
import { ApiError, type Client, type NewJob } from '../client.ts'
import type { Job, JobType } from '../core/schemas/job.ts'
import { decimal } from './api-command.ts'
import { CliError, EXIT } from './io.ts'
import { readJsonObject } from './read-input.ts'

/** A flag for a field of a job: `[flag, where it goes in the job, what it is]`. `<n>` and `<x>` are numbers; `<x|…>` may be one. */
type JobFlag = readonly [flag: string, path: string, description: string]

const COMMON: JobFlag[] = [
  ['--model <model>', 'model', 'the model to start from: by id or name, or a checkpoint'],
  ['--name <name>', 'name', 'what to call the job'],
  [
    '--prompt-template <text>',
    'prompt_template',
    "text around a prompt, with {prompt} in it, instead of the model's chat template",
  ],
  [
    '--prompt-format <format>',
    'prompt_format',
    'what a `prompt` is: chat (one turn of a user) or raw (a text to go on from)',
  ],
  ['--seed <n>', 'config.seed', 'seed of every random choice'],
]
const TRAINING: JobFlag[] = [
  ['--steps <n>', 'config.steps', 'optimizer steps'],
  ['--learning-rate <x>', 'config.learning_rate', 'peak learning rate of AdamW'],
  ['--warmup-steps <n>', 'config.warmup_steps', 'steps over which the learning rate rises from 0'],
  ['--schedule <name>', 'config.schedule', 'of the learning rate: constant, linear or cosine'],
  ['--lora-rank <n>', 'config.lora.rank', 'train adapters of this rank (LoRA) instead of the whole model'],
  ['--checkpoint-every <n>', 'config.checkpoint_every', 'steps between checkpoints; 0: one at the end'],
  [
    '--keep-last <n>',
    'config.keep.last',
    'how many of the newest checkpoints are kept, beside the best by canary or validation',
  ],
]
const SAMPLING: JobFlag[] = [
  ['--max-prompt-tokens <n>', 'config.max_prompt_tokens', 'longest prompt in tokens'],
  ['--max-new-tokens <n>', 'config.max_new_tokens', 'longest completion in tokens'],
  ['--temperature <x>', 'config.temperature', 'of sampling'],
  ['--on-long-rows <what>', 'config.on_long_rows', 'prompts that are too long: error, truncate or skip'],
]

const JUDGING: JobFlag[] = [
  ['--judge <judge>', 'judge', 'the judge, by id or name'],
  ['--dataset <dataset>', 'dataset', 'the dataset, by id or name'],
  ['--name <name>', 'name', 'what to call the job'],
  ['--verifier <name>', 'verifier', 'says what is right, by the `answer` of a row; default math'],
  ['--seed <n>', 'config.seed', 'seed of every random choice'],
]

const REINFORCEMENT: JobFlag[] = [
  ['--labelled <dataset>', 'data.labelled', 'dataset whose rows have an answer'],
  ['--unlabelled <dataset>', 'data.unlabelled', 'dataset of prompts'],
  ['--canary <dataset>', 'data.canary', 'labelled dataset that is never trained on, watched for reward hacking'],
  ['--reward <recipe>', 'reward', 'a recipe by id or name, instead of the next five'],
  ['--lambda <x>', 'reward.lambda', 'weight of the verifier'],
  ['--mu <x>', 'reward.mu', 'weight of the judge'],
  ['--verifier <name>', 'reward.verifier', 'math, program, exact, contains or json_schema'],
  ['--judge <judge>', 'reward.judge', 'the judge, by id or name'],
  ['--normalise <how>', 'reward.normalise', 'row: by the weights that apply to the row; none'],
  ...TRAINING,
  ['--prompts-per-step <n>', 'config.prompts_per_step', 'prompts of a step'],
  ['--group-size <n>', 'config.group_size', 'completions of each prompt'],
  ['--labelled-share <x>', 'config.labelled_share', "share of a step's prompts that are labelled"],
  ...SAMPLING,
  ['--kl-coefficient <x>', 'config.kl_coefficient', 'weight of the KL to the first model; 0: none'],
  ['--canary-every <n>', 'config.canary_every', 'steps between looks at the canary; 0: none'],
  ['--on-hacking <what>', 'config.on_hacking', 'warn, stop, or rollback: back to the best look at the canary'],
  ['--fallback-reward <recipe>', 'fallback_reward', 'a recipe by id or name, by which a run goes on after a rollback'],
  ['--allow-failed-audit <judge>', 'allow_failed_audit', 'train on this judge although its audit failed'],
]

/** The fields that are often given. Any other of `config` is given with --set, and everything with --file. */
const JOB_FLAGS: Record<JobType, JobFlag[]> = {
  sft: [
    ...COMMON,
    ['--dataset <dataset>', 'dataset', 'dataset whose rows carry a completion'],
    ...TRAINING,
    ['--epochs <x>', 'config.epochs', 'passes over the rows, instead of --steps'],
    ['--batch-size <n>', 'config.batch_size', 'rows of a step'],
    ['--max-tokens <n>', 'config.max_tokens', 'longest row in tokens'],
    ['--on-long-rows <what>', 'config.on_long_rows', 'rows that are too long: error, truncate or skip'],
    ['--validation <x|dataset>', 'validation', 'share of the rows to hold out, or a dataset, for validation_loss'],
    ['--validation-every <n>', 'config.validation_every', 'steps between looks at validation_loss'],
    [
      '--patience <n>',
      'config.early_stop.patience',
      'stop after so many looks at validation_loss without a better one',
    ],
  ],
  grpo: [
    ...COMMON,
    ['--algorithm <name>', 'config.algorithm', 'grpo, dr_grpo, dapo, gspo, cispo, rloo or reinforce++'],
    ...REINFORCEMENT,
  ],
  ppo: [...COMMON, ...REINFORCEMENT],
  eval: [
    ...COMMON,
    ['--dataset <dataset>', 'dataset', 'the rows to answer; without a judge each needs an answer of its own'],
    ['--verifier <name>', 'verifier', 'math, program, exact, contains or json_schema'],
    ['--judge <judge>', 'judge', 'a judge to ask about each answer; it needs no gold answers'],
    ...SAMPLING,
    ['--group-size <n>', 'config.group_size', 'answers drawn to each row, for pass@k and majority@k'],
    ['--limit <n>', 'config.limit', 'only the first N rows'],
  ],
  'judge.calibrate': [
    ...JUDGING,
    ['--method <name>', 'method', 'platt or isotonic; default: the better on held-out folds'],
    ['--folds <n>', 'config.folds', 'folds'],
    ['--bins <n>', 'config.bins', 'bins of ECE and the reliability diagram'],
    ['--limit <n>', 'config.limit', 'only the first N rows'],
  ],
  'judge.audit': [
    ...JUDGING,
    ['--rows <n>', 'config.rows', 'questions of each attack, at most'],
    ['--limit <x>', 'config.limit', 'highest false-positive rate with which it passes, a fraction'],
  ],
}

/** The options of a command that starts a job of the type. */
export function addJobFlags(command: Command, type: JobType): Command {
  for (const [flag, , description] of JOB_FLAGS[type]) {
    const option = new Option(flag, description)
    const isNumber = / <[nx]>$/.test(flag)
    const mayBeNumber = flag.includes('<x|')
    command.addOption(isNumber ? option.argParser(decimal) : mayBeNumber ? option.argParser(decimalOrText) : option)
  }
  return command
    .option('--set <field=value>', 'any other field of config; may be given again', collectSetting)
    .option('--file <file>', 'a JSON file with the job (the body of POST /v1/jobs); flags go on top of it')
}

/** A name may not look like a number that means something. */
const decimalOrText = (text: string): number | string => (/^[-+]?\d*\.?\d*$/.test(text) ? decimal(text) : text)

/** Creates the job that the options ask for. Where the API refuses a field, the error names the flag for it as well. */
export async function createFromFlags(api: Client, type: JobType, options: Record<string, unknown>): Promise<Job> {
  const job = jobFromFlags(type, options)
  try {
    return await api.jobs.create(job)
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    const { message, status, code, param } = error
    const isNamed = (path: string) => path === param || message.includes(`\`${path.replace('config.', '')}\``)
    const flags = JOB_FLAGS[type].filter(([, path]) => isNamed(path)).map(([flag]) => flag.replace(/ .*/, ''))
    if (flags.length === 0) throw error
    const named = [...new Set(flags)].join(', ')
    throw new ApiError(`${message} On the command line: ${named}.`, { status, code, param, cause: error })
  }
}

/**
 * The job that the options ask for. Nothing is filled in: defaults and rules are the API's.
 * @throws CliError when the file cannot be read or holds a job of another type
 */
export function jobFromFlags(type: JobType, options: Record<string, unknown>): NewJob {
  const file = options.file as string | undefined
  const job = file === undefined ? {} : readJsonObject(file)
  if (job.type !== undefined && job.type !== type) {
    throw new CliError(
      `${file} holds a job of type ${String(job.type)}, not ${type}. Use another file or command.`,
      EXIT.usage,
    )
  }
  job.type = type
  for (const [flag, path] of JOB_FLAGS[type]) {
    const value = options[new Option(flag).attributeName()]
    if (value !== undefined) put(job, path, value, flag.replace(/ .*/, ''))
  }
  for (const [field, value] of (options.set ?? []) as Setting[]) put(job, `config.${field}`, value, '--set')
  return job as NewJob
}

/** Sets `config.steps` and the like; objects on the way are made. */
function put(job: Record<string, unknown>, path: string, value: unknown, flag: string): void {
  const keys = path.split('.')
  const last = keys.pop()!
  let target = job
  for (const key of keys) {
    target[key] ??= {}
    if (typeof target[key] !== 'object') {
      throw new CliError(
        `${flag} does not go with \`${key}\` given as ${JSON.stringify(target[key])}. Leave one out.`,
        EXIT.usage,
      )
    }
    target = target[key] as Record<string, unknown>
  }
  target[last] = value
}

type Setting = readonly [field: string, value: unknown]

function collectSetting(text: string, before: Setting[] = []): Setting[] {
  const match = /^([a-z][a-z0-9_]*)=(.*)$/s.exec(text)
  if (!match) throw new InvalidArgumentError('It must be a field and its value, such as clip_high=0.3.')
  const [, field, given] = match as unknown as [string, string, string]
  return [...before, [field, jsonOrText(given)]]
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
