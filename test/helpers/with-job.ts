import { CLAIMABLE } from '../../src/core/ports.ts'
import type { LeasedSpec } from '../../src/core/schemas/job.ts'
import { checkpointPrefix } from '../../src/service/jobs/checkpoints.ts'
import { MAX_TRIES } from '../../src/service/jobs/transitions.ts'
import { testApp } from './test-app.ts'

/** A job of tenant `t`, and a bell that counts. */
export async function withJob(run: (opened: Awaited<ReturnType<typeof parts>>) => Promise<void>): Promise<void> {
  const opened = await parts()
  try {
    await run(opened)
  } finally {
    opened.app.close()
  }
}
async function parts() {
  const rings = { count: 0 }
  const bell = {
    ring: (of: string) => void (of === CLAIMABLE && rings.count++),
    listen: () => ({ next: async () => {}, close() {} }),
  }
  const app = await testApp({ bell })
  const { deps, clock } = app
  const made = { id: 'job_1', tenant: 't', key: '', name: null, type: 'sft' as const, createdAt: clock.time }
  await deps.database.jobs.insert({ ...made, spec: { type: 'sft' } as LeasedSpec }, null)
  const claim = async () =>
    (await deps.database.jobs.claim({
      worker: 'w', kinds: ['sft'], tenant: 't', now: clock.time, leaseMs: 1000, maxTries: MAX_TRIES,
    }))! // prettier-ignore
  const upload = async (fence: number, step: number, files: Record<string, string>) => {
    const job = (await deps.database.jobs.get('job_1'))!
    for (const [name, text] of Object.entries(files))
      await deps.blobs.put(`${checkpointPrefix(job, step, fence)}/${name}`, new TextEncoder().encode(text))
  }
  return { app, deps, clock, rings, claim, upload, get: () => deps.database.jobs.get('job_1') }
}
