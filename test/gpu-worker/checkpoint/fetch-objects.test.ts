import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isOfTheRun } from '../../../src/core/schemas/checkpoint.ts'
import { fetchCheckpoint, fetchModel, fetchObject } from '../../../src/gpu-worker/checkpoint/fetch-objects.ts'
import { temporaryFolder } from '../../../testing/tiny-model-folder.ts'

const object = (name: string, text: string) => ({
  name,
  size: text.length,
  sha256: createHash('sha256').update(text).digest('hex'),
  url: text,
})
/** A store whose URLs are the bytes themselves. */
const store = { download: async ({ url }: { url: string }) => new Response(url) }

test('fetches whole checkpoints, or only what it takes to use the model', async () => {
  const objects = [
    object('model.safetensors', 'weights'),
    object('optimizer.safetensors', 'moments'),
    object('empty', ''),
  ]
  const all = await fetchCheckpoint(store, objects, join(temporaryFolder(), 'all'))
  assert.deepEqual(readdirSync(all).sort(), ['empty', 'model.safetensors', 'optimizer.safetensors'])
  assert.equal(readFileSync(join(all, 'model.safetensors'), 'utf8'), 'weights')
  const model = await fetchModel(store, objects, join(temporaryFolder(), 'model'))
  assert.deepEqual(readdirSync(model).sort(), ['empty', 'model.safetensors'])
})

test('bytes that are not those that were committed are refused by name', async () => {
  const changed = { ...object('model.safetensors', 'weights'), url: 'wEights' }
  const cut = { ...object('model.safetensors', 'weights'), url: 'weight' }
  for (const bad of [changed, cut]) {
    await assert.rejects(fetchObject(store, bad, join(temporaryFolder(), 'x')), {
      code: 'corrupt_model',
      param: 'model.safetensors',
      message: /^model\.safetensors: .* are not those that were committed .* Restore it/,
    })
  }
})

test('a connection that breaks in the middle is a reason to try again', async () => {
  const broken = new ReadableStream({ pull: (controller) => controller.error(new TypeError('terminated')) })
  const download = async () => new Response(broken)
  await assert.rejects(fetchObject({ download }, object('rows', 'rows'), join(temporaryFolder(), 'x')), {
    code: 'storage_unavailable',
    message: 'rows broke off while it was fetched: terminated',
  })
})

test('a transfer that breaks is gone on with, also at the next call', async () => {
  const file = object('weights', '0123456789')
  const asked: number[] = []
  const path = join(temporaryFolder(), 'weights')
  /** Gives three bytes from where it is asked, and breaks. */
  const flaky = (times: number) => ({
    async download(_: unknown, from: number) {
      asked.push(from)
      if (times-- <= 0) return new Response('0123456789'.slice(from), { status: from > 0 ? 206 : 200 })
      const bytes = new TextEncoder().encode('0123456789'.slice(from, from + 3))
      let sent = false
      const body = new ReadableStream({
        pull(controller) {
          if (sent) controller.error(new TypeError('terminated'))
          else controller.enqueue(bytes)
          sent = true
        },
      })
      return new Response(body, { status: from > 0 ? 206 : 200 })
    },
  })
  await fetchObject(flaky(2), file, path)
  assert.deepEqual([asked.splice(0), readFileSync(path, 'utf8')], [[0, 3, 6], '0123456789'])

  writeFileSync(path, '01234')
  await fetchObject(flaky(0), file, path)
  assert.deepEqual([asked.splice(0), readFileSync(path, 'utf8')], [[5], '0123456789'])
  await fetchObject(flaky(0), file, path)
  assert.deepEqual(asked.splice(0), [], 'it is all there')

  // What lies there is of another file, or the source sends all that it has.
  for (const other of ['abcde', 'abcdefghij', 'abcdefghijklm']) {
    writeFileSync(path, other)
    await fetchObject(flaky(0), file, path)
    assert.equal(readFileSync(path, 'utf8'), '0123456789')
  }
  writeFileSync(path, '012')
  await fetchObject({ download: async () => new Response('0123456789') }, file, path)
  assert.equal(readFileSync(path, 'utf8'), '0123456789')
})

test('what only the run has a use for is told by its name, in shards as well', () => {
  const stems = ['optimizer', 'value_head', 'reference']
  for (const stem of stems)
    for (const rest of ['.safetensors', '-00001-of-00012.safetensors', '.safetensors.index.json']) assert.ok(isOfTheRun(stem + rest)) // prettier-ignore
  for (const name of ['model-00001-of-00002.safetensors', 'adapter_model.safetensors', 'optimizer.json', 'my-optimizer.safetensors', 'config.json']) assert.ok(!isOfTheRun(name), name) // prettier-ignore
})

test('what breaks for another reason than the connection is told as it is, and not tried again', async () => {
  const reason = new RangeError('nothing that time would mend')
  let asked = 0
  const download = async () => {
    asked++
    return new Response(new ReadableStream({ pull: (controller) => controller.error(reason) }))
  }
  const path = join(temporaryFolder(), 'x')
  await assert.rejects(fetchObject({ download }, object('rows', 'rows'), path), (error) => error === reason)
  assert.equal(asked, 1)
})
