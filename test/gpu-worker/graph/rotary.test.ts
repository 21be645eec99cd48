import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rotaryTables } from '../../../src/gpu-worker/graph/rotary.ts'
import { assertClose } from '../../helpers/close.ts'

test('angles are position × frequency, and columns past the last pair are zero', () => {
  const { cos, sin } = rotaryTables({ frequencies: [1, 0.01] }, 3, 3)
  const angles = [...cos].map((c, i) => Math.atan2(sin[i]!, c))
  assertClose(angles, [0, 0, 0, 1, 0.01, 0, 2, 0.02, 0], 1e-6)
  assert.deepEqual([cos[2], cos[5], sin[5]], [0, 0, 0])
})

test('a magnitude is a factor on cos and sin', () => {
  const { cos, sin } = rotaryTables({ frequencies: [1], magnitude: 1.5 }, 3, 1)
  assertClose(
    [...cos, ...sin],
    [1.5, 1.5 * Math.cos(1), 1.5 * Math.cos(2), 0, 1.5 * Math.sin(1), 1.5 * Math.sin(2)],
    1e-6,
  )
})
