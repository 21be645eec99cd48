import { test } from 'node:test'
import { rotaryTables } from '../../../src/gpu-worker/graph/rotary.ts'
import { assertClose } from '../../helpers/close.ts'

const angles = ({ cos, sin }: ReturnType<typeof rotaryTables>) => [...cos].map((c, i) => Math.atan2(sin[i]!, c))

test('angles are position × θ^(−2i/size)', () => {
  const found = angles(rotaryTables({ theta: 10_000 }, 4, 3))
  assertClose(found, [0, 0, 1, 0.01, 2, 0.02], 1e-6)
})

test('linear scaling divides positions', () => {
  assertClose(angles(rotaryTables({ theta: 10_000, linearFactor: 4 }, 4, 3)), [0, 0, 0.25, 0.0025, 0.5, 0.005], 1e-6)
})

test('Llama 3 keeps short waves, divides long ones, and blends between', () => {
  // Wavelengths 2π·{1, 10, 100, 1000}, between the bounds 64/4 and 64/1: kept, blended, divided, divided.
  const llama3 = { factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 64 }
  const smooth = (64 / (2 * Math.PI * 10) - 1) / 3
  const blended = ((1 - smooth) * 0.1) / 8 + smooth * 0.1
  const found = angles(rotaryTables({ theta: 10_000, llama3 }, 8, 2)).slice(4)
  assertClose(found, [1, blended, 0.01 / 8, 0.001 / 8], 1e-6)
})
