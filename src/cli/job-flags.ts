import { type Command, InvalidArgumentError, Option } from 'commander'
import type { JobType } from '../core/schemas/job.ts'
import { decimal } from './api-command.ts'
import type { NewJob } from './client.ts'
import { CliError, EXIT } from './io.ts'
import { readJsonObject } from './read-input.ts'

/** A flag for a field of a job: `[flag, where it goes in the job, what it is]`. In capitals: N and X are numbers. */
type JobFlag = readonly [flag: string, path: string, description: string]

const COMMON: JobFlag[] = [
  ['--model MODEL', 'model', 'the model to start from: by id or name, or a checkpoint'],
  ['--name NAME', 'name', 'what to call the job'],
  ['--prompt-template TEXT', 'prompt_template', 'text around the prompt, with {prompt} in it'],
  ['--seed N', 'config.seed', 'seed of every random choice'],
]
const TRAINING: JobFlag[] = [
  ['--steps N', 'config.steps', 'optimizer steps'],
  ['--learning-rate X', 'config.learning_rate', 'peak learning rate of AdamW'],
  ['--warmup-steps N', 'config.warmup_steps', 'steps over which the learning rate rises from 0'],
  ['--schedule NAME', 'config.schedule', 'of the learning rate: constant, linear or cosine'],
  ['--checkpoint-every N', 'config.checkpoint_every', 'steps between checkpoints; 0: one at the end'],
]
const SAMPLING: JobFlag[] = [
  ['--max-prompt-tokens N', 'config.max_prompt_tokens', 'longest prompt in tokens'],
  ['--max-new-tokens N', 'config.max_new_tokens', 'longest completion in tokens'],
  ['--temperature X', 'config.temperature', 'of sampling'],
]

/** The fields that are often given. Any other of `config` is given with --set, and everything with --file. */
const JOB_FLAGS: Record<JobType, JobFlag[]> = {
  sft: [
    ...COMMON,
    ['--dataset DATASET', 'dataset', 'dataset whose rows carry a completion'],
    ...TRAINING,
    ['--batch-size N', 'config.batch_size', 'rows of a step'],
    ['--max-tokens N', 'config.max_tokens', 'longest row in tokens'],
  ],
  grpo: [
    ...COMMON,
    ['--labelled DATASET', 'data.labelled', 'dataset whose rows have an answer'],
    ['--unlabelled DATASET', 'data.unlabelled', 'dataset of prompts'],
    ['--canary DATASET', 'data.canary', 'labelled dataset that is never trained on, watched for reward hacking'],
    ['--reward RECIPE', 'reward', 'a recipe by id or name, instead of the next five'],
    ['--lambda X', 'reward.lambda', 'weight of the verifier'],
    ['--mu X', 'reward.mu', 'weight of the judge'],
    ['--verifier NAME', 'reward.verifier', 'math, exact or contains'],
    ['--judge JUDGE', 'reward.judge', 'the judge, by id or name'],
    ['--normalise HOW', 'reward.normalise', 'row: by the weights that apply to the row; none'],
    ...TRAINING,
    ['--prompts-per-step N', 'config.prompts_per_step', 'prompts of a step'],
    ['--group-size N', 'config.group_size', 'completions of each prompt'],
    ['--labelled-share X', 'config.labelled_share', "share of a step's prompts that are labelled"],
    ...SAMPLING,
    ['--canary-every N', 'config.canary_every', 'steps between looks at the canary; 0: none'],
    ['--on-hacking WHAT', 'config.on_hacking', 'warn or stop'],
  ],
  eval: [
    ...COMMON,
    ['--dataset DATASET', 'dataset', 'dataset whose rows have an answer'],
    ['--verifier NAME', 'verifier', 'math, exact or contains'],
    ['--judge JUDGE', 'judge', 'a judge to ask about each answer as well'],
    ...SAMPLING,
    ['--limit N', 'config.limit', 'only the first N rows'],
  ],
}

/** The options of a command that starts a job of the type. */
export function addJobFlags(command: Command, type: JobType): Command {
  for (const [flag, , description] of JOB_FLAGS[type]) {
    const option = new Option(flag, description)
    command.addOption(/ [NX]$/.test(flag) ? option.argParser(decimal) : option)
  }
  return command
    .option('--set FIELD=VALUE', 'any other field of config; may be given again', collectSetting, [])
    .option('--file FILE', 'a JSON file with the job (the body of POST /v1/jobs); flags go on top of it')
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
    if (value !== undefined) put(job, path, value, flag)
  }
  for (const [field, value] of options.set as Setting[]) put(job, `config.${field}`, value, '--set')
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

function collectSetting(text: string, before: Setting[]): Setting[] {
  const match = /^([a-z][a-z0-9_]*)=(.*)$/s.exec(text)
  if (!match) throw new InvalidArgumentError('It must be a field and its value, such as clip_epsilon=0.3.')
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
