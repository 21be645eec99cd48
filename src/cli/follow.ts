import type { Client } from '../client.ts'
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
  for await (const news of api.jobs.watch(job.id, { signal: interrupted })) {
    if (options.json) show(JSON.stringify(news))
    else show(visible('event' in news ? describeEvent(job, news.event) : describeMetrics(job, news.metrics)))
  }
  if (interrupted.aborted) {
    const message = `Let go of ${job.id}, which goes on. \`gavel jobs follow ${job.id}\` comes back to it, \`gavel jobs cancel ${job.id}\` stops it.`
    throw new CliError(message, EXIT.detached)
  }
  const ended = await api.jobs.get(job.id)
  if (ended.state !== 'succeeded') throw new CliError(describeEnd(ended))
  return ended
}

function describeEnd({ id, state, error }: Job): string {
  if (state !== 'failed') return `${id} is ${state}.`
  const why = error ? ` (${error.code}): ${error.message.replace(/\.?$/, '.')}` : '.'
  return `${id} failed${why} \`gavel jobs resume ${id}\` goes on from its last checkpoint.`
}

function describeEvent({ id }: Job, { level, message }: JobEvent): string {
  const said = message.replace(/^job is /, `${id} is `)
  return level === 'info' ? said : `${level}: ${said}`
}

/** The numbers that a progress line shows, where a step has them. */
const SHOWN = {
  reward: 'reward',
  'reward/judge': 'judge',
  'reward/verifier': 'verifier',
  loss: 'loss',
  'eval/accuracy': 'accuracy',
  'eval/judge': 'judge',
  'canary/gold': 'canary',
  'canary/judge': 'canary judge',
}

/** `step 12/200  reward 0.41  loss 0.02  3.1 s` */
function describeMetrics({ spec }: Job, { step, values }: MetricPoint): string {
  const where = 'steps' in spec.config ? `step ${step}/${spec.config.steps}` : `${step} rows`
  const shown = Object.entries(SHOWN).flatMap(([name, label]) =>
    values[name] === undefined ? [] : [`${label} ${figure(values[name])}`],
  )
  const timed = Object.entries(values).filter(([name]) => name.startsWith('seconds/'))
  const seconds = timed.reduce((sum, [, value]) => sum + value, 0)
  return [where, ...shown, ...(timed.length > 0 ? [`${seconds.toFixed(seconds < 1 ? 2 : 1)} s`] : [])].join('  ')
}
