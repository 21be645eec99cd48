/** A run that is killed and goes on ends with the same bytes as one that nothing happened to, on every store. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { S3Options } from '../../src/adapters/node/s3-blob-store.ts'
import { NO_WEED, startSeaweed, weedBinary } from '../helpers/seaweed.ts'
import { startService, type Service, type WorkerProcess } from './service.ts'
import { bringData, evalJob, grpoJob, inState, ppoJob, progressOf, remains, sftJob, until } from './training-jobs.ts'

const STEPS = { grpo: 6, sft: 40 }
const JOBS = {
  grpo: grpoJob(),
  ppo: ppoJob(),
  sft: sftJob(),
  eval: evalJob(),
  // Adapters and their reference come from the checkpoint, the model under them from where it was.
  lora: grpoJob({ lora: { rank: 4 }, reference_reset_every: 3, importance_cap: 2 }),
}
type Kind = keyof typeof JOBS
type Remains = Awaited<ReturnType<typeof remains>>

/**
 * Stops worker and job in their tracks once a checkpoint is committed and a later step has begun, and hands the moment
 * over. Only what is still to be lost counts: where a checkpoint came in meanwhile, they may go on for a while.
 */
async function stoppedBetweenCheckpoints({ api }: Service, id: string, worker: WorkerProcess): Promise<void> {
  await until(`${id} has something to lose`, async () => {
    const early = await progressOf(api, id)
    if (early.checkpoints.length === 0) return false
    worker.signalAll('SIGSTOP')
    const { metrics, checkpoints } = await progressOf(api, id)
    if (metrics.at(-1)! > checkpoints.at(-1)!) return true
    worker.signalAll('SIGCONT')
    return false
  })
}

/** Jobs that nothing happens to: two workers, and the other job first. */
async function undisturbed(s3: S3Options | null): Promise<Record<Kind, Remains>> {
  const service = await startService({ s3 })
  try {
    await bringData(service.api)
    const sft = await service.api.jobs.create(JOBS.sft)
    const grpo = await service.api.jobs.create(JOBS.grpo)
    const evaluation = await service.api.jobs.create(JOBS.eval)
    const ppo = await service.api.jobs.create(JOBS.ppo)
    const lora = await service.api.jobs.create(JOBS.lora)
    service.startWorker()
    service.startWorker()
    return {
      sft: await remains(service.api, sft.id),
      grpo: await remains(service.api, grpo.id),
      eval: await remains(service.api, evaluation.id),
      ppo: await remains(service.api, ppo.id),
      lora: await remains(service.api, lora.id),
    }
  } finally {
    await service.close()
  }
}

/** A job whose worker is lost in the middle; another takes it over. */
async function afterLostWorker(kind: Kind, s3: S3Options | null): Promise<{ left: Remains; attempts: number }> {
  const service = await startService({ s3 })
  try {
    await bringData(service.api)
    const { id } = await service.api.jobs.create(JOBS[kind])
    const first = service.startWorker()
    await stoppedBetweenCheckpoints(service, id, first)
    first.signalAll('SIGKILL')
    const second = service.startWorker()
    const left = await remains(service.api, id)
    assert.match(second.log(), new RegExp(`${id} \\(${kind}\\), attempt 2`))
    return { left, attempts: (await service.api.jobs.get(id)).attempt }
  } finally {
    await service.close()
  }
}

/** A job whose process is lost in the middle (out of memory, say); its worker goes on with it. */
async function afterLostProcess(kind: Kind, s3: S3Options | null) {
  const service = await startService({ s3 })
  try {
    await bringData(service.api)
    const { id } = await service.api.jobs.create(JOBS[kind])
    const worker = service.startWorker()
    await stoppedBetweenCheckpoints(service, id, worker)
    process.kill(worker.jobProcess(), 'SIGKILL')
    worker.signalAll('SIGCONT')
    const killed = Date.now()
    const queued = await inState(service.api, id, 'queued')
    assert.match(queued.error!.message, /was killed by SIGKILL \(out of memory\?\)/)
    const left = await remains(service.api, id)
    return { left, attempts: (await service.api.jobs.get(id)).attempt, seconds: (Date.now() - killed) / 1000 }
  } finally {
    await service.close()
  }
}

function exactResume(s3: () => S3Options | null): void {
  let expected: Promise<Record<Kind, Remains>> | undefined
  const undisturbedOnce = () => (expected ??= undisturbed(s3()))

  test('an undisturbed run reports every step and commits every checkpoint', async () => {
    const { grpo, ppo, sft, lora } = await undisturbedOnce()
    assert.deepEqual(
      grpo.metrics.map(({ step }) => step),
      [0, 1, 2, 3, 4, 5, 6],
    )
    assert.deepEqual(
      grpo.checkpoints.map(({ step }) => step),
      [6, 4, 2],
    )
    assert.equal(sft.metrics.length, STEPS.sft)
    assert.deepEqual(Object.keys(grpo.bytes), [
      'config.json',
      'model.safetensors',
      'optimizer.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
    assert.deepEqual(Object.keys(ppo.bytes), [
      'config.json',
      'model.safetensors',
      'optimizer.safetensors',
      'reference.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
      'value_head.safetensors',
    ])
    assert.deepEqual(Object.keys(lora.bytes), [
      'adapter_config.json',
      'adapter_model.safetensors',
      'config.json',
      'model.safetensors',
      'optimizer.safetensors',
      'reference.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
    // Training has done something, or equal bytes would say nothing.
    assert.notEqual(grpo.bytes['model.safetensors'], sft.bytes['model.safetensors'])
    for (const { step, values } of [grpo, ppo, lora].flatMap(({ metrics }) => metrics.slice(1)))
      assert.ok(values.gradient_norm! > 0, `step ${step}`)
  })

  for (const kind of ['grpo', 'ppo', 'sft', 'eval'] as const) {
    test(`${kind}: the worker is killed and another takes over when its lease has run out`, async () => {
      const { left, attempts } = await afterLostWorker(kind, s3())
      assert.deepEqual(left, (await undisturbedOnce())[kind])
      assert.equal(attempts, 2)
    })
  }

  for (const kind of ['grpo', 'ppo', 'sft', 'eval', 'lora'] as const) {
    test(`${kind}: only the process of the job is killed, and the job goes on within seconds`, async () => {
      const { left, attempts, seconds } = await afterLostProcess(kind, s3())
      assert.deepEqual(left, (await undisturbedOnce())[kind])
      assert.equal(attempts, 2)
      assert.ok(seconds < 45, `it took ${seconds} s, and a lease has 60`)
    })
  }
}

describe('exact resume, on a folder', { concurrency: true }, () => exactResume(() => null))

const weed = weedBinary()
describe(
  'exact resume, on an S3 server with presigned URLs',
  { concurrency: true, skip: weed === null && NO_WEED },
  () => {
    let seaweed: Awaited<ReturnType<typeof startSeaweed>>
    before(async () => {
      seaweed = await startSeaweed(weed!)
    })
    after(() => seaweed.stop())
    exactResume(() => seaweed.s3)
  },
)
