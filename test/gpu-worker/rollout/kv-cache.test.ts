import assert from 'node:assert/strict'
import { test } from 'node:test'
import { modelFromConfig } from '../../../src/gpu-worker/models/index.ts'
import { CACHE_BUDGET, cacheBytes, slotsWithin } from '../../../src/gpu-worker/rollout/kv-cache.ts'

test('as many texts as fit the budget, whoever gives it: at least one, at most those wanted', () => {
  // SmolLM2-135M: 4 bytes × keys and values × 30 layers × 3 heads × 64, a position.
  const model = modelFromConfig({
    model_type: 'llama',
    vocab_size: 49152,
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-5,
  })
  assert.equal(cacheBytes(model, 8192), 8192 * 4 * 2 * 30 * 3 * 64)
  assert.equal(slotsWithin(model, 8192, 16), 2)
  assert.equal(slotsWithin(model, 8192, 16, 4 * CACHE_BUDGET), 11)
  assert.equal(slotsWithin(model, 8192, 4, 4 * CACHE_BUDGET), 4)
  assert.equal(slotsWithin(model, 8192, 16, 1), 1)
})
