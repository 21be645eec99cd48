import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
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

describe('what ends a text', () => {
  const files = tinyTokenizer()
  const stops = (config: object, generation?: object, change: Record<string, unknown> = {}) =>
    new TextCodec(
      { ...files, config: { ...files.config, ...change }, generation: generation as Record<string, unknown> },
      { config: config as Record<string, unknown>, vocabularySize: 1024 },
    ).stopIds

  test('is all that tokenizer, config.json and generation_config.json name, one or several, and what the model lacks is not', () => {
    assert.deepEqual(stops({}), [1])
    assert.deepEqual(stops({ eos_token_id: 5 }), [1, 5])
    assert.deepEqual(stops({ eos_token_id: [1, 7] }, { eos_token_id: [9, 7, 2000, -1, 1.5, null, '3'] }), [1, 7, 9])
    assert.deepEqual(stops({ eos_token_id: null }, { eos_token_id: 4 }, { eos_token: null }), [4])
    assert.deepEqual(stops({}, undefined, { eos_token: null }), [])
  })

  test('is the special token that the chat template puts behind an answer, too', () => {
    const chat_template =
      "{% for m in messages %}{{ m.content }}{{ '<pad>' if m.role == 'assistant' else ':' }}\n{% endfor %}"
    assert.deepEqual(stops({}, undefined, { chat_template }), [1, 0])
    const words = '{% for m in messages %}{{ m.content }}END<pad>{% endfor %}'
    assert.deepEqual(stops({}, undefined, { chat_template: words }), [1])
    assert.deepEqual(stops({}, undefined, { chat_template: "{{ raise_exception('no') }}" }), [1])
  })

  test('where only the config says it, is what training puts there', () => {
    const bare = { ...files, config: { ...files.config, eos_token: null } }
    assert.equal(new TextCodec(bare, { config: { eos_token_id: [7, 8] } }).endId, 7)
    assert.equal(new TextCodec({ ...bare, generation: { eos_token_id: 6 } }).endId, 6)
    assert.equal(new TextCodec({ ...bare, specialTokens: { eos_token: { content: '<eos>' } } }).endId, 1)
  })

  test('is not a part of an answer’s text, whoever names it', () => {
    const codec = new TextCodec(files, { config: { eos_token_id: 70 } })
    const [letter] = codec.encode(new TextCodec(files).tokenText(70))
    assert.equal(letter, 70)
    assert.equal(codec.decode([...codec.encode('a'), 70]), 'a')
  })
})

describe('tokens that the model has no embedding for', () => {
  const { tokenizer, config } = tinyTokenizer()
  const added = [{ id: 1024, content: '<image>', special: true, normalized: false }]
  const more = { ...tokenizer, added_tokens: [...(tokenizer.added_tokens as object[]), ...added] }
  const codec = new TextCodec(
    { tokenizer: more, config: { ...config, chat_template: '{{ messages[0].content }}' } },
    { vocabularySize: 1024, config: { eos_token_id: 1024 } },
  )

  test('do not keep the model from being used', () => {
    assert.deepEqual([codec.largestId, codec.idOf('<image>'), codec.stopIds], [1023, undefined, [1]])
    assert.equal(codec.decode(codec.encode('Tom has 12')), 'Tom has 12')
  })

  test('are refused by name where a text or a conversation has one', () => {
    const refused = {
      code: 'invalid_request',
      message: /token "<image>" \(id 1024\), for which the model has no embedding: it knows ids 0 to 1023/,
    }
    assert.throws(() => codec.encode('see <image>'), refused)
    assert.throws(() => codec.encodeText('see <image>'), refused)
    assert.throws(() => codec.encodeChat([{ role: 'user', content: 'see <image>' }]), refused)
  })
})

describe('special tokens', () => {
  const messages = [{ role: 'user' as const, content: '' }]
  const chat_template = '{{ bos_token }}|{{ unk_token }}|{{ image_token }}'
  const { tokenizer, config } = tinyTokenizer()
  const rendered = (change: Record<string, unknown>, specialTokens?: Record<string, unknown>) =>
    new TextCodec({ tokenizer, config: { ...config, chat_template, ...change }, specialTokens }).renderChat(messages)

  test('are told to the template by their names', () => {
    assert.equal(
      rendered({ unk_token: { content: '<unk>' }, image_token: '<image>', bos_token: null }),
      '|<unk>|<image>',
    )
  })

  test('are those of special_tokens_map.json where the config lists no added tokens, as transformers has it', () => {
    assert.equal(rendered({ bos_token: 'a' }, { bos_token: 'b' }), 'b||')
    assert.equal(rendered({ bos_token: 'a', added_tokens_decoder: {} }, { bos_token: 'b', unk_token: 'u' }), 'a|u|')
  })

  test('that only the config lists are found in texts', () => {
    const added_tokens_decoder = { 1023: { content: '<|x|>', special: true }, 0: { content: '<pad>', special: true } }
    const codec = codecWith({ added_tokens_decoder })
    assert.deepEqual(codec.encode('<|x|>'), [1023])
    assert.equal(codec.decode([1023]), '')
  })
})

test('of several chat templates, the one for plain conversations is taken', () => {
  const named = (names: string[]) => codecWith({ chat_template: names.map((name) => ({ name, template: name })) })
  assert.equal(named(['tool_use', 'default']).renderChat([]), 'default')
  assert.equal(named(['tool_use']).hasChatTemplate, false)
})

test('a template that cannot be read refuses every conversation, and nothing else', () => {
  const codec = codecWith({ chat_template: '{% for %}' })
  assert.equal(codec.decode(codec.encode('Tom')), 'Tom')
  assert.throws(() => codec.renderChat([]), { code: 'invalid_request', message: /chat template cannot be read: ./ })
})
