import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { claimWorkspace } from '../../../src/gpu-worker/jobs/claim-workspace.ts'
import { temporaryFolder } from '../../../testing/tiny-model-folder.ts'

test('clears what dead workers left, and leaves living ones and other files alone', () => {
  const parent = temporaryFolder()
  const dead = spawnSync(process.execPath, ['--version']).pid
  for (const name of [`worker-${dead}`, `worker-${process.ppid}`, 'worker-notes']) {
    mkdirSync(join(parent, name))
    writeFileSync(join(parent, name, 'file'), '')
  }
  assert.equal(claimWorkspace(parent, process.pid), join(parent, `worker-${process.pid}`))
  assert.deepEqual(
    readdirSync(parent).sort(),
    [`worker-${process.pid}`, `worker-${process.ppid}`, 'worker-notes'].sort(),
  )
})

test('a folder that an earlier process of the same id left is emptied', () => {
  const parent = temporaryFolder()
  writeFileSync(join(claimWorkspace(parent, process.pid), 'left'), '')
  assert.deepEqual(readdirSync(claimWorkspace(parent, process.pid)), [])
})
