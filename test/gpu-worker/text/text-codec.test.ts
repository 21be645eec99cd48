import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TextCodec } from '../../../src/gpu-worker/text/text-codec.ts'
import { tinyTokenizer } from '../../../testing/tiny-model-folder.ts'

const codecWith = (change: Record<string, unknown> = {}) => {
  const { tokenizer, config } = tinyTokenizer()
  return new TextCodec({ tokenizer, config: { ...config, ...change } })
}
const codec = codecWith()

test('gives every text back, and nothing for nothing', () => {
  for (const text of ['', ' ', 'Tom has 12 apples.', '  two\n\n\tlines ', 'né 日本 👍🏽', "don't ."])
    assert.equal(codec.decode(codec.encode(text)), text)
  assert.deepEqual(codec.encode(''), [])
})

test('special tokens are ids in text, and no text in ids', () => {
  const [eos] = codec.encode('<eos>')
  assert.equal(eos, codec.endId)
  assert.equal(codec.decode([...codec.encode('a'), eos]), 'a')
  assert.equal(codec.tokenText(eos), '<eos>')
  assert.deepEqual(codec.stopIds, [eos])
  assert.equal(codec.largestId, codec.size - 1)
})

test('without a chat template, the contents follow each other', () => {
  const messages = [
    { role: 'system' as const, content: 'one' },
    { role: 'user' as const, content: 'two' },
  ]
  assert.equal(codec.hasChatTemplate, false)
  assert.equal(codec.renderChat(messages), 'one\ntwo')
})

test('a chat template sees messages, special tokens and where the answer begins', () => {
  const chat_template =
    '{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}A:{% endif %}'
  const messages = [{ role: 'user' as const, content: '{{ 1 }} <b>' }]
  assert.equal(codecWith({ chat_template }).renderChat(messages), 'user: {{ 1 }} <b><eos>A:')
  assert.equal(
    codecWith({ chat_template }).renderChat(messages, { addGenerationPrompt: false }),
    'user: {{ 1 }} <b><eos>',
  )
  const refusing = codecWith({ chat_template: "{{ raise_exception('users only') }}" })
  assert.throws(() => refusing.renderChat(messages), {
    code: 'invalid_request',
    message: /refuses these messages: users only/,
  })
})

test('a template is told what else a caller knows, and nothing that he does not say', () => {
  // As Qwen 3 has it: an empty thought stands before the answer.
  const chat_template =
    '{{ messages[0].content }}{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>{% endif %}'
  const codec = codecWith({ chat_template })
  const messages = [{ role: 'user' as const, content: 'Is it right?' }]
  assert.equal(codec.renderChat(messages), 'Is it right?')
  const told = codec.renderChat(messages, { args: { enable_thinking: false } })
  assert.equal(told, 'Is it right?<think>\n\n</think>')
})

test('an end token that the vocabulary lacks is an error', () => {
  for (const eos_token of ['<nothing>', null])
    assert.throws(() => codecWith({ eos_token }).endId, {
      code: 'corrupt_model',
      message: /names no token that ends a text/,
    })
  assert.equal(codecWith({ eos_token: { content: '<eos>', lstrip: false } }).endId, 1)
})
