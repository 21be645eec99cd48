import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
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
