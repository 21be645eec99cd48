import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { readOptimizer, writeOptimizer } from '../../../src/gpu-worker/checkpoint/optimizer-file.ts'
import type { Model } from '../../../src/gpu-worker/models/model.ts'
import type { Weights } from '../../../src/gpu-worker/models/weights.ts'
import { readSafetensors } from '../../../src/gpu-worker/weights/safetensors.ts'
import { temporaryFolder } from '../../../testing/tiny-model-folder.ts'

const tensors = (of: Record<string, number[]>): Weights =>
  new Map(Object.entries(of).map(([name, data]) => [name, { shape: [data.length], data: Float32Array.from(data) }]))
const model = (...parameters: [string, number][]) =>
  ({ parameters: new Map(parameters.map(([name, length]) => [name, [length]])) }) as unknown as Model

test('moments are read back as they were written, each under its prefix', () => {
  const path = join(temporaryFolder(), 'optimizer.safetensors')
  const [firstMoment, secondMoment] = [tensors({ a: [1, -2], b: [0.5] }), tensors({ a: [3, 4], b: [0.25] })]
  writeOptimizer(path, { steps: 9, firstMoment, secondMoment })
  assert.deepEqual([...readSafetensors(path).keys()].sort(), ['exp_avg:a', 'exp_avg:b', 'exp_avg_sq:a', 'exp_avg_sq:b'])
  const read = readOptimizer(path, model(['a', 2], ['b', 1]), 7)
  assert.equal(read.steps, 7)
  for (const [name, expected] of [['firstMoment', firstMoment], ['secondMoment', secondMoment]] as const) {
    assert.deepEqual([...read[name].keys()], ['a', 'b'])
    for (const [parameter, { data }] of expected) assert.deepEqual([...read[name].get(parameter)!.data], [...data])
  } // prettier-ignore
})

test('one moment does not stand in for the other, whatever parameters are called', () => {
  const path = join(temporaryFolder(), 'optimizer.safetensors')
  // `exp_avg_sq:a` less the length of `exp_avg:` is `sq:a`, and `exp_avg:abca` less that of `exp_avg_sq:` is `a`.
  const firstMoment = tensors({ a: [1], abca: [2] })
  writeOptimizer(path, { steps: 1, firstMoment, secondMoment: tensors({ a: [3] }) })
  assert.throws(() => readOptimizer(path, model(['sq:a', 1]), 1), { code: 'corrupt_model', message: /sq:a is missing/ })
  writeOptimizer(path, { steps: 1, firstMoment, secondMoment: tensors({ abca: [3] }) })
  assert.throws(() => readOptimizer(path, model(['a', 1]), 1), { code: 'corrupt_model', message: /a is missing/ })
})
