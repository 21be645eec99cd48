/** Checkpoints in shards: a run that is killed goes on from them, and ends with the bytes of one that nothing happened to. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { all } from '../../src/client.ts'
import { openFolder } from '../../src/gpu-worker/models/source.ts'
import { readShards } from '../../src/gpu-worker/weights/weight-files.ts'
import { startService, type Service } from './service.ts'
import { bringData, inState, progressOf, remains, sftJob, until } from './training-jobs.ts'

const JOB = sftJob({ steps: 24, checkpoint_every: 4, keep: { last: 2, best: true } })
const SHARDS = { GAVEL_SHARD_BYTES: '900000' }

async function run(env: Record<string, string>, disturb?: (service: Service, id: string) => Promise<void>) {
  const service = await startService()
  try {
    await bringData(service.api)
    const { id } = await service.api.jobs.create(JOB)
    const worker = service.startWorker(env)
    if (disturb) {
      await until('two checkpoints are there', async () => (await progressOf(service.api, id)).checkpoints.length >= 2)
      process.kill(worker.jobProcess(), 'SIGKILL')
    }
    await inState(service.api, id, 'succeeded')
    const left = await remains(service.api, id)
    const folder = join(service.folder, 'last')
    mkdirSync(folder)
    const [last] = await all(service.api.jobs.checkpoints(id))
    for (const { name } of last!.files) {
      const body = await (await service.api.checkpoints.file(last!.id, name)).arrayBuffer()
      writeFileSync(join(folder, name), new Uint8Array(body))
    }
    const { weights } = openFolder(folder)
    const moments = readShards(join(folder, 'optimizer.safetensors'))
    const events = (await all(service.api.jobs.events(id))).map(({ message }) => message)
    return {
      left,
      weights: sorted(weights),
      moments: sorted(moments),
      events,
      attempts: (await service.api.jobs.get(id)).attempt,
    }
  } finally {
    await service.close()
  }
}

const sorted = <T>(map: ReadonlyMap<string, T>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1))

test('a killed run in shards ends as one that was not killed, and holds the numbers of one without shards', async () => {
  const calm = await run(SHARDS)
  const killed = await run(SHARDS, async () => {})
  const whole = await run({})
  assert.deepEqual([calm.attempts, killed.attempts], [1, 2])
  assert.deepEqual(killed.left, calm.left)
  const names = Object.keys(calm.left.bytes)
  assert.ok(names.includes('model.safetensors.index.json') && names.includes('optimizer.safetensors.index.json'), `${names}`) // prettier-ignore
  assert.ok(names.filter((name) => /^optimizer-\d{5}-of-\d{5}\.safetensors$/.test(name)).length > 2)
  assert.deepEqual(calm.weights, whole.weights)
  assert.deepEqual(calm.moments, whole.moments)
  assert.deepEqual(
    calm.left.checkpoints.map(({ step }) => step),
    [24, 20],
  )
  assert.ok(calm.events.some((message) => /^a checkpoint weighs [\d.]+ MB in \d+ files \(weights .*, optimizer .*\)/.test(message)), `${calm.events}`) // prettier-ignore
  assert.equal(calm.events.filter((message) => / is dropped \(keep: the last 2/.test(message)).length, 4)
})
