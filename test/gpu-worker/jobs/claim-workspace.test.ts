import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { claimWorkspace } from '../../../src/gpu-worker/jobs/claim-workspace.ts'
import { temporaryFolder } from '../../../testing/tiny-model-folder.ts'

/** As a worker leaves it that was killed so many minutes ago. */
function left(parent: string, minutes: number): string {
  const { folder } = claimWorkspace(parent)
  writeFileSync(join(folder, 'step-3'), 'half a checkpoint')
  const then = Date.now() / 1000 - minutes * 60
  utimesSync(join(folder, 'alive'), then, then)
  return folder
}

test('two workers never share a folder, whatever their process ids and hosts are', () => {
  const parent = temporaryFolder()
  const [one, other] = [claimWorkspace(parent), claimWorkspace(parent)]
  assert.notEqual(one.folder, other.folder)
  assert.deepEqual(readdirSync(parent).length, 2)
  one.leave()
  assert.deepEqual([existsSync(one.folder), existsSync(other.folder)], [false, true])
})

test('clears what dead workers left, and leaves living ones and other files alone', () => {
  const parent = temporaryFolder()
  const [dead, living] = [left(parent, 11), left(parent, 9)]
  mkdirSync(join(parent, 'worker-notes'))
  const diedAtBirth = left(parent, 0)
  rmSync(join(diedAtBirth, 'alive'))
  const longAgo = Date.now() / 1000 - 3600
  utimesSync(diedAtBirth, longAgo, longAgo)
  const { folder } = claimWorkspace(parent)
  assert.deepEqual([existsSync(dead), existsSync(diedAtBirth), existsSync(living)], [false, false, true])
  assert.ok(existsSync(join(parent, 'worker-notes')))
  assert.deepEqual(readdirSync(folder), ['alive'])
})
