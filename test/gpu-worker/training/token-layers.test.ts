import assert from 'node:assert/strict'
import { test } from 'node:test'
import { logitsGraph } from '../../../src/gpu-worker/training/training-graph.ts'
import { fixtureModel } from '../../helpers/fixture-model.ts'

test('a graph holds one table of cosines and one of sines, however many layers rotate by them', () => {
  const { model } = fixtureModel('llama')
  assert.equal(model.layers, 2)
  const { constants } = logitsGraph(model, { maxTokens: 29 })
  const tables = constants.filter(({ tensor }) => tensor.shape[0] === 29)
  assert.deepEqual(tables.map(({ tensor }) => tensor.shape), Array(2).fill([29, model.headSize / 2])) // prettier-ignore
})
