import assert from 'node:assert/strict'
import { test } from 'node:test'
import { modelFromConfig } from '../../../src/gpu-worker/models/index.ts'
import { weightUses } from '../../../src/gpu-worker/training/weight-uses.ts'
import { fixtureModel } from '../../helpers/fixture-model.ts'

const llama = (tied: boolean) =>
  modelFromConfig({
    model_type: 'llama',
    vocab_size: 12,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    max_position_embeddings: 32,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: tied,
  })

test('projections are told in the order that tokens pass them, and how each lies', () => {
  const { projections } = weightUses(llama(true))
  const layer = ['q', 'k', 'v', 'o'].map((name) => `self_attn.${name}_proj`)
  layer.push('mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj')
  assert.deepEqual([...projections], layer.map((name) => [`model.layers.0.${name}`, 'out-in'])) // prettier-ignore
  assert.deepEqual(new Set(weightUses(fixtureModel('gpt2').model).projections.values()), new Set(['in-out']))
})

test('the table of tokens is what they are read from, be it the head or not; that of positions is another', () => {
  assert.equal(llama(false).head, 'lm_head.weight')
  for (const tied of [true, false]) assert.equal(weightUses(llama(tied)).tokenTable, 'model.embed_tokens.weight')
  const { model } = fixtureModel('gpt2')
  assert.equal(weightUses(model).tokenTable, model.head)
})
