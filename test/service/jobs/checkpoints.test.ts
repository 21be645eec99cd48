import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Manifest } from '../../../src/core/schemas/checkpoint.ts'
import {
  checkpointPrefix,
  commitCheckpoint,
  findCheckpoint,
  findModelCheckpoint,
} from '../../../src/service/jobs/checkpoints.ts'
import { withJob } from '../../helpers/with-job.ts'

const manifestOf = (files: Record<string, string>): Manifest =>
  ({
    objects: Object.entries(files).map(([name, text]) => ({ name, size: text.length, sha256: 'a'.repeat(64) })),
    state: {},
  }) as Manifest

describe('checkpoints', () => {
  test('are committed once, and the same commit answers the same, by the next holder of the lease too', () =>
    withJob(async ({ deps, clock, claim, upload }) => {
      const files = { 'model.safetensors': 'weights', 'training.json': '{}' }
      const job = await claim()
      await upload(job.fence, 3, files)
      const first = await commitCheckpoint(deps, job, job.fence, 3, manifestOf(files))
      assert.deepEqual([first.tenant, first.job, first.step, first.createdAt], ['t', 'job_1', 3, clock.time])
      assert.equal(first.prefix, `tenants/t/jobs/job_1/checkpoints/3/${job.fence}`)
      const written = JSON.parse(new TextDecoder().decode((await deps.blobs.get(`${first.prefix}/manifest.json`))!))
      assert.deepEqual(written, { format: 1, job: 'job_1', step: 3, ...manifestOf(files) })
      assert.equal((await commitCheckpoint(deps, job, job.fence, 3, manifestOf(files))).id, first.id)
      clock.time += 2000
      const next = await claim()
      await upload(next.fence, 3, files)
      assert.equal((await commitCheckpoint(deps, next, next.fence, 3, manifestOf(files))).id, first.id)
      // The one who lost it commits nothing more.
      await upload(job.fence, 4, files)
      await assert.rejects(commitCheckpoint(deps, job, job.fence, 4, manifestOf(files)), { code: 'stale_fence' })
    }))

  test('a step is not committed with other objects, under the same fence or another', () =>
    withJob(async ({ deps, clock, claim, upload }) => {
      const job = await claim()
      const [one, other] = [{ 'model.safetensors': 'weights' }, { 'model.safetensors': 'heavier' }]
      await upload(job.fence, 3, one)
      await commitCheckpoint(deps, job, job.fence, 3, manifestOf(one))
      const changed = manifestOf(one)
      changed.objects[0]!.sha256 = 'b'.repeat(64)
      const conflict = { code: 'conflict', param: 'step' }
      await assert.rejects(commitCheckpoint(deps, job, job.fence, 3, changed), conflict)
      await assert.rejects(commitCheckpoint(deps, job, job.fence, 3, { ...changed, objects: [] }), conflict)
      clock.time += 2000
      const next = await claim()
      await upload(next.fence, 3, other)
      await assert.rejects(commitCheckpoint(deps, next, next.fence, 3, changed), conflict)
    }))

  test('nor where only its manifest was written: by who died before it was recorded', () =>
    withJob(async ({ deps, claim, upload }) => {
      const job = await claim()
      const files = { 'model.safetensors': 'weights' }
      await upload(job.fence, 3, files)
      const key = `${checkpointPrefix(job, 3, job.fence)}/manifest.json`
      const own = JSON.stringify({ format: 1, job: 'job_1', step: 3, ...manifestOf(files) })
      const write = (text: string) => deps.blobs.put(key, new TextEncoder().encode(text))
      const commit = () => commitCheckpoint(deps, job, job.fence, 3, manifestOf(files))
      for (const other of [own.replace('weights', 'weighty').replace('aaaa', 'aaab'), own.slice(1), `${own} `]) {
        await write(other)
        await assert.rejects(commit(), { code: 'conflict', param: 'step' })
      }
      await write(own)
      assert.equal((await commit()).step, 3)
    }))

  test('what is missing or of another size is named', () =>
    withJob(async ({ deps, claim, upload }) => {
      const job = await claim()
      await upload(job.fence, 1, { a: 'whole', b: 'short' })
      const commit = (files: Record<string, string>) => commitCheckpoint(deps, job, job.fence, 1, manifestOf(files))
      const refusal = { code: 'unprocessable', param: 'manifest.objects[1]' }
      await assert.rejects(commit({ a: 'whole', b: 'longer' }), {
        ...refusal,
        message: /b was not .* 5 bytes instead of 6/,
      })
      await assert.rejects(commit({ a: 'whole', c: '' }), { ...refusal, message: /c was not .*\(it is not there\)/ })
    }))

  test('are found by id, and only those that hold a model are models', () =>
    withJob(async ({ deps, claim, upload }) => {
      const job = await claim()
      const commit = async (step: number, files: Record<string, string>) => {
        await upload(job.fence, step, files)
        return (await commitCheckpoint(deps, job, job.fence, step, manifestOf(files))).id
      }
      const { database } = deps
      const whole = await commit(1, { 'model-00001-of-00002.safetensors': 'w', x: 'x' })
      const adapter = await commit(2, { 'adapter_config.json': '{}' })
      const rows = await commit(3, { 'scores.jsonl': '' })
      assert.equal((await findModelCheckpoint(database, 't', whole, 'model')).id, whole)
      const find = (id: string) => findModelCheckpoint(database, 't', id, 'model')
      await assert.rejects(find(adapter), {
        code: 'unprocessable',
        param: 'model',
        message: /an adapter without the model/,
      })
      await assert.rejects(find(rows), {
        code: 'unprocessable',
        param: 'model',
        message: /no model \(scores\.jsonl\);/,
      })
      const names = ['a', 'b', 'c'].map((name) => name.repeat(99))
      const many = await commit(4, Object.fromEntries(names.map((name) => [name, ''])))
      await assert.rejects(find(many), { message: new RegExp(`no model \\(${names[0]}, ${names[1]}\\);`) })
      await assert.rejects(findCheckpoint(database, 'other', whole), { code: 'not_found', param: 'id' })
      const long = `ckpt_${'x'.repeat(200)}`
      const message = new RegExp(`^\`id\`: there is no checkpoint "${long.slice(0, 100)}"\\.`)
      await assert.rejects(findCheckpoint(database, 't', long), { code: 'not_found', message })
    }))
})
