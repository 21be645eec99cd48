/** Connections that break: between worker and API, and between both and the object store. */
import type { S3Options } from '../../src/adapters/node/s3-blob-store.ts'
import { startSeaweed, weedBinary } from '../helpers/seaweed.ts'
import { freePort, Installation } from './installation.ts'
import { createJobs, differences, seenThrough, kindsOf, type Expected } from './leftovers.ts'
import { lossyProxy, type LossyProxy } from './lossy-proxy.ts'
import type { Report } from './report.ts'

interface LossOptions {
  seed: number
  /** Of the requests, 0 … 1. */
  share: number
  expected: Expected
  say(line: string): void
}
/** A call that is refused again and again ends an attempt. */
const ENDS_ATTEMPTS = /^(storage_unavailable|worker_lost|disk_full)$/

/** What workers and API say to each other is lost, cut, doubled, late. */
export async function lostAnswers(options: LossOptions): Promise<Report> {
  const port = await freePort()
  const proxy = await lossyProxy(() => `http://127.0.0.1:${port}`, options)
  try {
    const here = await Installation.start('split', { port, workersAt: proxy.url })
    return await runThrough(here, proxy, 'lost answers', options)
  } finally {
    await proxy.close()
  }
}

/** What the object store is told and answers is lost, cut, doubled, late. Null where there is no store to be had. */
export async function storeFaults(options: LossOptions): Promise<Report> {
  const weed = weedBinary()
  if (!weed) return { scenario: 'store faults', figures: { skipped: 1 }, violations: [] }
  const seaweed = await startSeaweed(weed)
  const proxy = await lossyProxy(() => seaweed.s3.endpoint!, options)
  try {
    const here = await Installation.start('split', { env: envOf({ ...seaweed.s3, endpoint: proxy.url }) })
    return await runThrough(here, proxy, 'store faults', options)
  } finally {
    await proxy.close()
    await seaweed.stop()
  }
}

async function runThrough(
  here: Installation,
  proxy: LossyProxy,
  scenario: string,
  { expected, say }: LossOptions,
): Promise<Report> {
  const violations: string[] = []
  let resumed = 0
  try {
    const ids = await createJobs(here.api, kindsOf(expected))
    for (const [kind, id] of ids) {
      resumed += await seenThrough(here.api, id, ENDS_ATTEMPTS)
      violations.push(...(await differences(here.api, { id, name: `${scenario}, ${kind}`, expected: expected[kind]! })))
      say(`${scenario}: ${kind} is through, ${violations.length} violations`)
    }
  } catch (error) {
    violations.push(`${scenario}: ${(error as Error).stack ?? String(error)}`)
  } finally {
    await here.close()
  }
  return { scenario, figures: { ...proxy.counts, 'resumed by hand': resumed }, violations }
}

const envOf = ({ endpoint, region, bucket, accessKeyId, secretAccessKey }: S3Options) => ({
  GAVEL_S3_BUCKET: bucket,
  GAVEL_S3_ENDPOINT: endpoint!,
  GAVEL_S3_REGION: region,
  GAVEL_S3_ACCESS_KEY_ID: accessKeyId,
  GAVEL_S3_SECRET_ACCESS_KEY: secretAccessKey,
})
