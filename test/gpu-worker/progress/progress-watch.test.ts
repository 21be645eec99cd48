import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { during, note, tellProgressTo } from '../../../src/gpu-worker/progress/progress-mark.ts'
import { ProgressWatch } from '../../../src/gpu-worker/progress/progress-watch.ts'
import { temporaryFolder } from '../../../testing/tiny-model-folder.ts'

const EVERY_MS = 1000

/** Looks every second for so long; what the watch says in the end. */
function watched(watch: ProgressWatch, seconds: number, limitMs?: number) {
  let stall = null
  for (let i = 0; i < seconds && !stall; i++) stall = watch.look((now += EVERY_MS), EVERY_MS, limitMs)
  return stall
}
let now = 0

test('one that gets on is let be; one that does not is told of, with what it was at', () => {
  const path = join(temporaryFolder(), 'progress')
  const watch = new ProgressWatch(path, 5)
  assert.equal(watched(watch, 5), null)
  assert.deepEqual(watched(watch, 5), { at: 'was starting', seconds: 6 }, 'before it says anything, too')

  tellProgressTo(path)
  for (let row = 1; row < 20; row++) {
    note('row', row)
    assert.equal(watched(watch, 5), null)
  }
  assert.deepEqual(watched(watch, 9), { at: 'worked on row 19 of its data', seconds: 6 })
  note()
  assert.equal(watched(watch, 5), null)
  assert.deepEqual(watched(watch, 9, 2000), { at: 'worked on row 19 of its data', seconds: 5 }, 'at once, by a shorter limit') // prettier-ignore
})

test('a run of the engine may take twelve times as long, whatever is noted beside it', async () => {
  const path = join(temporaryFolder(), 'progress')
  tellProgressTo(path)
  const watch = new ProgressWatch(path, 5)
  note('row', 3)
  await during('computing', async () => {
    note('row', 4)
    await during('computing', () => 0)
    assert.equal(watched(watch, 60, 1000), null)
    assert.deepEqual(watched(watch, 9), { at: 'ran the model', seconds: 61 })
  })
  assert.equal(watched(watch, 5), null)
  assert.deepEqual(watched(watch, 9), { at: 'worked on its rows and their texts', seconds: 6 })
  await assert.rejects(
    during('writing', () => Promise.reject(new Error('no room'))),
    /no room/,
  )
  assert.equal(watched(watch, 5), null, 'a failure is an end, too')
})

test('where the watch itself was held up, as on a machine that sleeps, the other is not blamed for it', () => {
  const path = join(temporaryFolder(), 'progress')
  const watch = new ProgressWatch(path, 5)
  watch.look((now += 1000), EVERY_MS)
  assert.equal(watch.look((now += 3_600_000), EVERY_MS), null)
  assert.equal(watch.look((now += 1000), EVERY_MS), null)
})
