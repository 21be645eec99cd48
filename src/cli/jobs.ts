import type { Command } from 'commander'
import type { Client } from '../client.ts'
import type { Checkpoint } from '../core/schemas/checkpoint.ts'
import type { Job, JobState, JobType, Sample } from '../core/schemas/job.ts'
import { apiCommand, connect, decimal, listCommand, wholeNumber, type ApiOptions } from './api-command.ts'
import { downloadCheckpoint } from './download.ts'
import { follow } from './follow.ts'
import { CliError, type Io } from './io.ts'
import { figure, print, printList, size, time, type Columns } from './output.ts'

const COLUMNS: Columns<Job> = {
  id: (j) => j.id,
  type: (j) => j.type,
  name: (j) => j.name ?? '-',
  state: (j) => j.state,
  step: (j) => j.step ?? '-',
  created: (j) => time(j.created_at),
}

const CHECKPOINT_COLUMNS: Columns<Checkpoint> = {
  id: (c) => c.id,
  step: (c) => c.step,
  size: (c) => size(c.bytes),
  files: (c) => c.files.length,
  created: (c) => time(c.created_at),
}

type Listing = ApiOptions & { limit: number }
type Downloading = ApiOptions & { out: string; step?: number; best?: boolean; weightsOnly?: boolean }

/** `gavel jobs`: looking at jobs and steering them. */
export function registerJobs(program: Command, io: Io): void {
  const jobs = program.command('jobs').description('look at jobs and steer them')

  listCommand(jobs, 'list', 'list jobs, newest first')
    .option('--state <state>', 'only those queued, running, paused, succeeded, failed or cancelled')
    .option('--type <type>', 'only those of type sft, grpo, ppo or eval')
    .action(async ({ state, type, ...options }: Listing & { state?: JobState; type?: JobType }) => {
      const only = { ...(state && { state }), ...(type && { type }) }
      const api = connect(io, options)
      await printList(io, options, (query) => api.jobs.list({ ...query, ...only }), COLUMNS)
    })

  apiCommand(jobs, 'show <job>', 'show a job').action(async (id: string, options: ApiOptions) => {
    print(io, options, await connect(io, options).jobs.get(id), describeJob)
  })

  streamCommand('events', 'what happened to a job, oldest first; with --json one a line').action(
    async (id: string, options: ApiOptions) => {
      for await (const event of connect(io, options).jobs.events(id)) {
        print(io, options, event, (e) => `${time(e.created_at)}  ${e.level.padEnd(7)}  ${e.message}`)
      }
    },
  )

  streamCommand('metrics', 'the numbers of each step, in order; with --json a step a line').action(
    async (id: string, options: ApiOptions) => {
      for await (const { step, values } of connect(io, options).jobs.metrics(id)) {
        const shown = Object.entries(values).map(([name, value]) => `${name}=${figure(value)}`)
        print(io, options, { step, values }, () => `step ${step}  ${shown.join('  ')}`)
      }
    },
  )

  streamCommand('samples', 'what the model wrote; with --json one a line')
    .option('--step <n>', 'only those of this step', decimal)
    .option('--limit <n>', 'how many at most', wholeNumber, 20)
    .action(async (id: string, { step, limit, ...options }: Listing & { step?: number }) => {
      const query = { limit, ...(step !== undefined && { step }) }
      for await (const sample of connect(io, options).jobs.samples(id, query))
        print(io, options, sample, describeSample)
    })

  listCommand(jobs, 'checkpoints <job>', "a job's checkpoints, newest first").action(
    async (id: string, options: Listing) => {
      const api = connect(io, options)
      await printList(io, options, (query) => api.jobs.checkpoints(id, query), CHECKPOINT_COLUMNS)
    },
  )

  const changes = {
    cancel: 'cancel a job; a running one ends at its next heartbeat',
    pause: 'pause a job; a running one commits a checkpoint first',
    resume: 'resume a paused or failed job from its last checkpoint',
  } as const
  for (const [word, description] of Object.entries(changes) as [keyof typeof changes, string][]) {
    apiCommand(jobs, `${word} <job>`, description).action(async (id: string, options: ApiOptions) => {
      print(io, options, await connect(io, options).jobs[word](id), describeChange)
    })
  }

  apiCommand(
    jobs,
    'delete <job>',
    'delete a job that has ended, with its checkpoints unless a model or another job names them',
  ).action(async (id: string, options: ApiOptions) => {
    print(io, options, await connect(io, options).jobs.delete(id), (d) => `${d.id} is deleted`)
  })

  apiCommand(jobs, 'follow <job>', 'show what a job does until it has ended; Ctrl-C lets go of it').action(
    async (id: string, options: ApiOptions) => {
      const api = connect(io, options)
      const ended = await follow(io, api, await api.jobs.get(id), options, (line) => io.out(`${line}\n`))
      if (options.json) print(io, options, { job: ended }, () => '')
    },
  )

  apiCommand(jobs, 'download <job>', "fetch a job's newest checkpoint, or one by its id, and check every file")
    .requiredOption('--out <dir>', 'folder to put the files into')
    .option('--step <n>', 'the checkpoint of this step', decimal)
    .option('--best', 'the checkpoint of the smallest validation_loss')
    .option('--weights-only', 'leave out what only the run has a use for, such as the memory of the optimizer')
    .action(async (id: string, options: Downloading) => {
      const api = connect(io, options)
      const checkpoint = await findCheckpoint(api, id, options.best ? await bestStep(api, id) : options.step)
      const { weightsOnly = false } = options
      const files = await downloadCheckpoint(api, checkpoint, options.out, { weightsOnly })
      print(io, options, { ...checkpoint, files, folder: options.out }, (c) => {
        const left = c.bytes - files.reduce((sum, file) => sum + file.size, 0)
        const without = weightsOnly ? `, without ${size(left)} that only the run has a use for` : ''
        return `${options.out} holds ${c.id}: step ${c.step}, ${files.length} files, ${size(c.bytes - left)}, all as committed${without}`
      })
    })

  function streamCommand(name: string, description: string): Command {
    return apiCommand(jobs, `${name} <job>`, description)
  }
}

/** The step at which a job's validation_loss was smallest, step 0 left out. */
async function bestStep(api: Client, id: string): Promise<number> {
  const best = { step: 0, loss: Infinity }
  for await (const { step, values } of api.jobs.metrics(id)) {
    const loss = values.validation_loss
    if (step > 0 && loss !== undefined && loss < best.loss) Object.assign(best, { step, loss })
  }
  if (best.step > 0) return best.step
  throw new CliError(`${id} has no validation_loss to go by. Leave --best out, or name a --step.`)
}

async function findCheckpoint(api: Client, id: string, step: number | undefined): Promise<Checkpoint> {
  if (id.startsWith('ckpt_')) return api.checkpoints.get(id)
  for await (const checkpoint of api.jobs.checkpoints(id)) {
    if (step === undefined || checkpoint.step === step) return checkpoint
  }
  const what = step === undefined ? 'no checkpoint yet' : `no checkpoint of step ${step}`
  throw new CliError(`${id} has ${what}. \`gavel jobs checkpoints ${id}\` lists what there is.`)
}

function describeJob(job: Job): string {
  const { id, type, name, state, step, attempt, error, result, spec } = job
  const lines = [
    `${id}  ${type}${name === null ? '' : `  ${name}`}`,
    `state     ${state}${job.cancel_requested ? ', to be cancelled' : ''}${job.pause_requested ? ', to be paused' : ''}`,
    `step      ${step ?? '-'}`,
    `attempts  ${attempt}`,
    `created   ${time(job.created_at)}`,
    `started   ${time(job.started_at)}`,
    `finished  ${time(job.finished_at)}`,
    ...(error ? [`error     ${error.code}: ${error.message}`] : []),
    ...(result ? [`result    ${JSON.stringify(result)}`] : []),
    `spec      ${JSON.stringify(spec, null, 2)}`,
  ]
  return lines.join('\n')
}

function describeChange({ id, state, cancel_requested, pause_requested }: Job): string {
  if (state === 'running' && cancel_requested) return `${id} will be cancelled at its next heartbeat`
  if (state === 'running' && pause_requested) return `${id} will be paused at its next heartbeat, with a checkpoint`
  return `${id} is ${state}`
}

function describeSample({ step, split, index, reward, answer, prompt, completion }: Sample): string {
  const head = `step ${step} ${split} ${index}${reward == null ? '' : `  reward ${figure(reward)}`}`
  const gold = answer == null ? [] : [`gold: ${answer}`]
  const body = [`prompt: ${prompt}`, `wrote: ${completion}`, ...gold].join('\n')
  return `${head}\n${body.replace(/^/gm, '  ')}\n`
}
