import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Graph } from '../../../src/gpu-worker/graph/graph.ts'
import { withLora } from '../../../src/gpu-worker/training/lora.ts'
import { logitsGraph } from '../../../src/gpu-worker/training/training-graph.ts'
import { TrainingLayers } from '../../../src/gpu-worker/training/training-layers.ts'
import { fixtureModel } from '../../helpers/fixture-model.ts'

test('a graph holds one table of cosines and one of sines, however many layers rotate by them', () => {
  const { model } = fixtureModel('llama')
  assert.equal(model.layers, 2)
  const { constants } = logitsGraph(model, { maxTokens: 29 })
  const tables = constants.filter(({ tensor }) => tensor.shape[0] === 29)
  assert.deepEqual(tables.map(({ tensor }) => tensor.shape), Array(2).fill([29, model.headSize / 2])) // prettier-ignore
})

test('an adapter is on the projections that it aims at and on no others, scaled by alpha over rank', () => {
  const { model } = fixtureModel('llama')
  const layersOf = (of: typeof model) => new TrainingLayers(new Graph(), of, { maxTokens: 8 })
  const [aimedAt, other] = ['model.layers.1.self_attn.q_proj', 'model.layers.1.self_attn.k_proj']
  const layers = layersOf(withLora(model, { rank: 2, alpha: 5, targets: ['q_proj'] }))
  const { a, b, scale } = layers.adapterOn(aimedAt)!
  const [out, input] = model.parameters.get(`${aimedAt}.weight`)!
  assert.deepEqual([a.shape, b.shape, scale], [[2, input], [out, 2], 2.5])
  assert.deepEqual([layers.adapterOn(other), layersOf(model).adapterOn(aimedAt)], [null, null])
})
