/** Connections that break: between worker and API, and between both and the object store. */
import type { S3Options } from '../../src/adapters/node/s3-blob-store.ts'
import { freePort } from '../helpers/free-port.ts'
import { startSeaweed, weedBinary } from '../helpers/seaweed.ts'
import { Installation } from './installation.ts'
import { ENDS_ATTEMPTS, runThrough, type ScenarioOptions } from './leftovers.ts'
import { lossyProxy, type LossyProxy } from './lossy-proxy.ts'
import type { Report } from './report.ts'

interface LossOptions extends ScenarioOptions {
  /** Of the requests, 0 … 1. */
  share: number
}

/** What workers and API say to each other is lost, cut, doubled, late. */
export async function lostAnswers(options: LossOptions): Promise<Report> {
  const port = await freePort()
  const proxy = await lossyProxy(() => `http://127.0.0.1:${port}`, options)
  try {
    const here = await Installation.start('split', { port, workersAt: proxy.url })
    return await throughLosses(here, proxy, 'lost answers', options)
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
    return await throughLosses(here, proxy, 'store faults', options)
  } finally {
    await proxy.close()
    await seaweed.stop()
  }
}

async function throughLosses(
  here: Installation,
  proxy: LossyProxy,
  scenario: string,
  options: LossOptions,
): Promise<Report> {
  const { violations, resumed } = await runThrough(here, scenario, options, { mayFail: ENDS_ATTEMPTS })
  return { scenario, figures: { ...proxy.counts, 'resumed by hand': resumed }, violations }
}

const envOf = ({ endpoint, region, bucket, accessKeyId, secretAccessKey }: S3Options) => ({
  GAVEL_S3_BUCKET: bucket,
  GAVEL_S3_ENDPOINT: endpoint!,
  GAVEL_S3_REGION: region,
  GAVEL_S3_ACCESS_KEY_ID: accessKeyId,
  GAVEL_S3_SECRET_ACCESS_KEY: secretAccessKey,
})
