import type { Client } from '../client.ts'
import { ERRORS, type ErrorCode } from '../core/errors.ts'
import type { Job, JobEvent, MetricPoint } from '../core/schemas/job.ts'
import { CliError, EXIT, type Io } from './io.ts'
import { figure, visible } from './output.ts'

/**
 * Shows what a job does until it has ended. Ctrl-C lets go of it; the job goes on.
 * @param show takes each line of news
 * @returns the job, which has succeeded
 * @throws CliError when it failed or was cancelled, or on Ctrl-C
 */
export async function follow(
  io: Io,
  api: Client,
  job: Job,
  options: { json?: boolean },
  show: (line: string) => void,
): Promise<Job> {
  const interrupted = io.interrupted()
  let steps = 'steps' in job.spec.config ? job.spec.config.steps : undefined
  for await (const news of api.jobs.watch(job.id, { signal: interrupted })) {
    // A job of epochs says how many steps they are.
    if ('event' in news && typeof news.event.data?.steps === 'number') steps ??= news.event.data.steps
    if (options.json) show(JSON.stringify(news))
    else show(visible('event' in news ? describeEvent(job, news.event) : describeMetrics(job, news.metrics, steps)))
  }
  if (interrupted.aborted) {
    const message = `Let go of ${job.id}, which goes on. \`gavel jobs follow ${job.id}\` comes back to it, \`gavel jobs cancel ${job.id}\` stops it.`
    throw new CliError(message, EXIT.detached)
  }
  const ended = await api.jobs.get(job.id)
  if (ended.state !== 'succeeded') throw new CliError(await describeEnd(api, ended))
  return ended
}

async function describeEnd(api: Client, { id, state, error }: Job): Promise<string> {
  if (state !== 'failed') return `${id} is ${state}.`
  const why = error ? ` (${error.code}): ${error.message.replace(/\.?$/, '.')}` : '.'
  const remedy = await remedyOf(api, id, error)
  return `${id} failed${why}${remedy && ` ${remedy}`}`
}

/** What a failed job can go on from; from its beginning only where what it failed of may be over by then. */
async function remedyOf(api: Client, id: string, error: Job['error']): Promise<string> {
  for await (const { id: checkpoint, step } of api.jobs.checkpoints(id, { limit: 1 })) {
    return `\`gavel jobs resume ${id}\` goes on from its last checkpoint (${checkpoint}, step ${step}).`
  }
  const code = error?.code ?? ''
  const mayBeOver = code === 'worker_lost' || (code in ERRORS && ERRORS[code as ErrorCode].retryable)
  return mayBeOver ? `It has no checkpoint; \`gavel jobs resume ${id}\` begins it again.` : ''
}

function describeEvent({ id }: Job, { level, message, data }: JobEvent): string {
  // What it failed of is said at the end.
  const said = data?.state === 'failed' ? `${id} is failed` : message.replace(/^job is /, `${id} is `)
  return level === 'info' ? said : `${level}: ${said}`
}

/** The numbers that a progress line shows, where a step has them. */
const SHOWN = {
  reward: 'reward',
  'reward/judge': 'judge',
  'reward/verifier': 'verifier',
  loss: 'loss',
  validation_loss: 'validation',
  'eval/accuracy': 'accuracy',
  'eval/judge': 'judge',
  'canary/gold': 'canary',
  'canary/judge': 'canary judge',
}

/** `step 12/200  reward 0.41  loss 0.02  3.1 s` */
function describeMetrics({ spec }: Job, { step, values }: MetricPoint, steps: number | undefined): string {
  const isTraining = 'steps' in spec.config || 'epochs' in spec.config
  const where = isTraining ? `step ${step}${steps === undefined ? '' : `/${steps}`}` : `${step} rows`
  const shown = Object.entries(SHOWN).flatMap(([name, label]) =>
    values[name] === undefined ? [] : [`${label} ${figure(values[name])}`],
  )
  const timed = Object.entries(values).filter(([name]) => name.startsWith('seconds/'))
  const seconds = timed.reduce((sum, [, value]) => sum + value, 0)
  return [where, ...shown, ...(timed.length > 0 ? [`${seconds.toFixed(seconds < 1 ? 2 : 1)} s`] : [])].join('  ')
}
