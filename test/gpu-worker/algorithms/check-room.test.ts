import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { checkpointsToCome, checkRoom } from '../../../src/gpu-worker/algorithms/check-room.ts'
import type { RunContext, StorageRoom } from '../../../src/gpu-worker/algorithms/run-context.ts'
import { checkpointSize, openTraining, trainingFiles } from '../../../src/gpu-worker/checkpoint/training-files.ts'
import { openFolder } from '../../../src/gpu-worker/models/source.ts'
import { trainedParameters } from '../../../src/gpu-worker/models/model.ts'
import { zerosLike, type Weights } from '../../../src/gpu-worker/models/weights.ts'
import { temporaryFolder, tinyModelFolder } from '../../../testing/tiny-model-folder.ts'

const MODEL = tinyModelFolder()
const PLAN = {
  steps: 4,
  checkpointEvery: 1,
  keep: { last: 2, best: true },
  hasBest: false,
  copies: {},
  mergeEvery: false,
}
const open = (options: { lora?: { rank: number; alpha: number }; valueHead?: boolean } = {}) =>
  openTraining(async () => openFolder(MODEL), { seed: 1, valueHead: false, ...options }, null)

describe('checkpointSize', () => {
  const cases = {
    'a whole model': [{}, {}],
    'with value head and reference': [{ valueHead: true }, { copies: ['reference'] }],
    'an adapter': [{ lora: { rank: 4, alpha: 8 } }, { merged: false }],
    'an adapter and the merged model': [{ lora: { rank: 4, alpha: 8 } }, { copies: ['reference', 'best'] }],
    'in shards': [{ valueHead: true }, { shardBytes: 30_000 }],
  } as const
  for (const [name, [options, more]] of Object.entries(cases)) {
    test(`is what is written: ${name}`, async () => {
      const training = await open(options)
      const { merged = true, copies = [], shardBytes } = more as { merged?: boolean; copies?: string[]; shardBytes?: number } // prettier-ignore
      const size = checkpointSize(training, {
        merged,
        copies: Object.fromEntries(copies.map((name) => [name, true])),
        shardBytes,
      })
      const trained = trainedParameters(training.model)
      const moments = zerosLike(new Map([...training.weights].filter(([parameter]) => trained.has(parameter))))
      const folder = join(temporaryFolder(), 'checkpoint')
      mkdirSync(folder)
      const files: Record<string, Weights> = Object.fromEntries(copies.map((name) => [`${name}.safetensors`, moments]))
      const optimizer = { steps: 0, firstMoment: moments, secondMoment: moments }
      ;(await trainingFiles(training, optimizer, { merged, files, shardBytes }))(folder)
      const written = readdirSync(folder).filter((file) => file.endsWith('.safetensors'))
      const bytes = written.map((file) => statSync(join(folder, file)).size)
      assert.equal(size.files, written.length)
      const sum = bytes.reduce((a, b) => a + b)
      // Headers name every tensor.
      assert.ok(size.bytes < sum && sum - size.bytes < 400 * 4 * trained.size + 20_000, `${size.bytes} of ${sum}`)
      assert.ok(size.largest < Math.max(...bytes) && size.largest > 0.5 * Math.max(...bytes))
      assert.equal(
        Object.values(size.parts).reduce((a, b) => a + b),
        size.bytes,
      )
    })
  }
})

test('as many checkpoints come at once as are kept, and one more', () => {
  const come = (plan: Partial<typeof PLAN>, done = 0) => checkpointsToCome({ ...PLAN, ...plan }, done)
  assert.equal(come({}), 3)
  assert.equal(come({ hasBest: true }), 4)
  assert.equal(come({ hasBest: true, keep: { last: 2, best: false } }), 3)
  assert.equal(come({ keep: { last: 9, best: true } }), 4)
  assert.equal(come({ checkpointEvery: 0 }), 1)
  assert.equal(come({ steps: 10, checkpointEvery: 4 }), 3)
  assert.equal(come({ steps: 5, checkpointEvery: 4 }), 2)
  assert.equal(come({ steps: 40 }, 20), 1)
  assert.equal(come({ steps: 40, keep: { last: 5, best: false } }, 2), 4)
  assert.equal(checkpointsToCome({ ...PLAN, steps: 40, keep: undefined }, 0), 40)
})

describe('checkRoom', async () => {
  const training = await open()
  const { bytes } = checkpointSize(training, { merged: true, copies: {} })
  const MUCH = {
    scratch: { freeBytes: 1e15, volume: 'a/1' },
    store: { objectBytes: 5e12, freeBytes: 1e15, volume: 'b/1' },
  }
  const run = (storage: StorageRoom | undefined, more: Partial<RunContext> = {}, plan: Partial<typeof PLAN> = {}) => {
    const events: [string, string, unknown][] = []
    const event: RunContext['event'] = (...of) => void events.push(of as never)
    checkRoom(training, { ...PLAN, ...plan }, { storage, resume: null, event, ...more } as RunContext)
    return events
  }
  /** There may be room later. */
  const noRoom = (storage: StorageRoom, message: RegExp, plan?: Partial<typeof PLAN>) =>
    assert.throws(() => run(storage, {}, plan), { code: 'disk_full', message })

  test('says what a checkpoint weighs', () => {
    const [[level, message, data]] = run(MUCH) as [[string, string, Record<string, unknown>]]
    assert.equal(level, 'info')
    assert.match(
      message,
      /^a checkpoint weighs [\d.]+ MB in 2 files \(weights .+, optimizer .+\); the object store holds 3/,
    )
    assert.deepEqual([data.bytes, data.files, data.at_once], [bytes, 2, 3])
    assert.deepEqual(run(undefined), [])
  })

  test('refuses what does not fit, to the byte, and says what would mend it', () => {
    const scratch = (freeBytes: number) => ({ ...MUCH, scratch: { ...MUCH.scratch, freeBytes } })
    noRoom(scratch(bytes - 1), /the worker's disk has .* free; .*GAVEL_WORKSPACE/)
    run(scratch(bytes))
    const store = (freeBytes: number | null, volume = 'b/1') => ({
      ...MUCH,
      store: { ...MUCH.store, freeBytes, volume },
    })
    noRoom(store(3 * bytes - 1), /the object store has .* free; make room, lower keep\.last/)
    run(store(3 * bytes))
    run(store(null))
    noRoom(store(4 * bytes - 1, 'a/1'), /on the same disk/)
    run(store(4 * bytes, 'a/1'))
    run(store(bytes), {}, { checkpointEvery: 0 })
    noRoom(store(bytes - 1), /make room, or train adapters/, { checkpointEvery: 0 })
  })

  test('refuses files that are too large or too many', () => {
    const store = { ...MUCH.store, objectBytes: 600_000 }
    assert.throws(() => run({ ...MUCH, store }), {
      code: 'unavailable_here',
      message: /one of them 6\.96 MB, but the object store takes 600000 bytes at most/,
    })
    run({ ...MUCH, store }, { shardBytes: 550_000 })
    const tensors = new Map(Array.from({ length: 400 }, (_, i) => [`t${i}`, { shape: [1], data: new Float32Array(1) }]))
    const parameters = new Map([...tensors].map(([name, { shape }]) => [name, shape]))
    const many = { weights: tensors, folder: { weights: tensors }, model: { parameters }, base: null }
    const context = { storage: MUCH, resume: null, shardBytes: 1, event: () => {} } as unknown as RunContext
    assert.throws(() => checkRoom(many as unknown as typeof training, PLAN, context), {
      code: 'unavailable_here',
      message: /in 1200 files .*, but may have 1000 files; raise the worker's GAVEL_SHARD_BYTES/,
    })
  })
})
