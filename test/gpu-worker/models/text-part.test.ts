import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textPart } from '../../../src/gpu-worker/models/text-part.ts'

test('a model of text only is its own text part', () => {
  const config = { model_type: 'llama', text_config: { model_type: 'qwen2' } }
  const part = textPart(config)
  assert.equal(part.config, config)
  assert.equal(part.nameOf('vision_tower.x'), 'vision_tower.x')
})

test('the text part of a model that also sees has its own config, with what the outer one says of the text', () => {
  const text_config = { hidden_size: 5, eos_token_id: 1, tie_word_embeddings: true }
  const outer = { model_type: 'mistral3', vision_config: {}, text_config, eos_token_id: [2, 3], dtype: 'bfloat16' }
  assert.deepEqual(textPart({ ...outer, tie_word_embeddings: false }).config, {
    hidden_size: 5,
    model_type: 'mistral',
    architectures: ['MistralForCausalLM'],
    eos_token_id: [2, 3],
    dtype: 'bfloat16',
    tie_word_embeddings: false,
  })
  const { config } = textPart({ ...outer, text_config: { model_type: 'ministral3' } })
  assert.deepEqual(
    [config.model_type, config.architectures, config.tie_word_embeddings],
    ['ministral3', ['Ministral3ForCausalLM'], true],
  )
})

test('names as every release of transformers has written them; other parts have none', () => {
  const { nameOf } = textPart({ model_type: 'gemma3', text_config: {} })
  for (const [theirs, ours] of [
    ['language_model.model.norm.weight', 'model.norm.weight'],
    ['model.language_model.norm.weight', 'model.norm.weight'],
    ['language_model.lm_head.weight', 'lm_head.weight'],
    ['lm_head.weight', 'lm_head.weight'],
    ['vision_tower.x', null],
    ['model.multi_modal_projector.x', null],
    ['something.else', 'something.else'],
  ] as const) {
    assert.equal(nameOf(theirs), ours, theirs)
  }
})
