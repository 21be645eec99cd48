import type { Client, NewJob } from '../client.ts'
import type { Job } from '../core/schemas/job.ts'

/** Runs a job to its end. Throws, with the job's own message, where it does not get there. */
export async function runToEnd(api: Client, say: (line: string) => void, spec: NewJob): Promise<Job> {
  const { id } = await api.jobs.create(spec)
  for await (const news of api.jobs.watch(id)) {
    if ('event' in news && news.event.level !== 'info') say(`${id}: ${news.event.message}`)
  }
  const job = await api.jobs.get(id)
  if (job.state === 'succeeded') return job
  throw new Error(`${spec.type} job ${id} ${job.state}${job.error ? `: ${job.error.message}` : ''}`)
}
