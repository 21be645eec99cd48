import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { DatasetRow } from '../../../src/core/schemas/dataset.ts'
import { RowCodec } from '../../../src/gpu-worker/text/row-codec.ts'
import { TextCodec, type ChatMessage, type TokenizerFiles } from '../../../src/gpu-worker/text/text-codec.ts'

interface Kind {
  files: TokenizerFiles
  texts: { text: string; plain: number[]; ids: number[]; decoded: string }[]
  pairs: { prompt: string; completion: string; ids: number[]; whole: number[] }[]
  chats: { chat: string; generation: boolean; ids: number[] }[]
  rows: { row: DatasetRow; prompt: number[]; whole: number[] }[]
}
/** Made by transformers: test/python/write_tokenizers.py. */
const { chats, kinds } = JSON.parse(
  readFileSync(new URL('../../fixtures/chat/tokenizers.json', import.meta.url), 'utf8'),
) as { chats: Record<string, ChatMessage[]>; kinds: Record<string, Kind> }

for (const [style, kind] of Object.entries(kinds)) {
  const codec = new TextCodec(kind.files)
  const { bos_token: bos = '' } = kind.files.config as { bos_token?: string }

  describe(`a tokenizer for ${style}`, () => {
    test('has the ids of texts that transformers has, with one BOS at most', () => {
      for (const { text, plain, ids, decoded } of kind.texts) {
        assert.deepEqual(codec.encode(text), plain, text)
        assert.equal(codec.decode(plain), decoded)
        const begun = bos !== '' && ids.length > plain.length && text.startsWith(bos)
        assert.deepEqual(codec.encodeText(text), begun ? ids.slice(1) : ids, text)
      }
    })

    test('has the ids of conversations', () => {
      for (const { chat, generation, ids } of kind.chats)
        assert.deepEqual(codec.encodeChat(chats[chat]!, { addGenerationPrompt: generation }), ids, chat)
    })

    test('trains the whole conversation from where its prompt ends, once ended', () => {
      const rows = new RowCodec(codec, {})
      assert.equal(rows.format, 'chat')
      for (const { row, prompt, whole } of kind.rows) {
        assert.deepEqual(rows.prompt(row).ids, prompt)
        const { ids, start, joined } = rows.supervised(row)
        assert.deepEqual(ids, whole)
        if (!joined) assert.equal(start, prompt.length)
        assert.deepEqual(ids.slice(0, start), prompt.slice(0, start))
      }
    })

    test('trains raw text as the whole is encoded, ended once', () => {
      const rows = new RowCodec(codec, { prompt_format: 'raw' })
      for (const { prompt, completion, ids, whole } of kind.pairs) {
        assert.deepEqual(rows.prompt({ prompt }).ids, ids)
        const trained = rows.supervised({ prompt, completion })
        const ended = codec.stopIds.includes(whole.at(-1)!)
        assert.deepEqual(trained.ids, ended ? whole : [...whole, codec.endId], prompt + completion)
        const shared = ids.findIndex((id, i) => id !== whole[i])
        assert.equal(trained.start, Math.max(1, shared < 0 ? ids.length : shared))
        assert.equal(trained.joined, shared >= 0)
        if (!trained.joined) assert.equal(codec.decodeAnswer(ids, trained.ids.slice(ids.length)), completion.replace('</s>', ended ? '' : '</s>')) // prettier-ignore
      }
    })
  })
}

/** Small tokenizers for the rest. */
const codecOf = (style: string, change: Record<string, unknown> = {}) => {
  const { files } = kinds[style]!
  return new TextCodec({ ...files, config: { ...files.config, ...change } })
}
const templateOf = (rows: RowCodec) => rows.codec.files.config.chat_template as string
const user = (content: string): ChatMessage => ({ role: 'user', content })
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content })

describe('an answer', () => {
  test('keeps its first space where it goes on from a prompt', () => {
    const codec = codecOf('mistral')
    const prompt = codec.encodeText('Q: x\nA:')
    const answer = codec.encodeText('Q: x\nA: It is').slice(prompt.length)
    assert.equal(codec.decode(answer), 'It is')
    assert.equal(codec.decodeAnswer(prompt, answer), ' It is')
    assert.equal(codec.decodeAnswer([...prompt, codec.endId], answer), ' It is')
    assert.equal(codec.decodeAnswer([codec.endId], answer), 'It is')
    assert.deepEqual([codec.decodeAnswer(prompt, []), codec.contextOf([])], ['', []])
  })

  test('at the end of a conversation is not shown, and is what is trained', () => {
    const rows = new RowCodec(codecOf('chatml'), {})
    const messages = [user('2+3?'), assistant('5')]
    assert.deepEqual(rows.prompt({ messages }), rows.prompt({ prompt: '2+3?' }))
    assert.deepEqual(rows.supervised({ messages }), rows.supervised({ prompt: '2+3?', completion: '5' }))
    assert.deepEqual(
      rows.prompt({ messages: [...messages, user('And?')] }).ids,
      rows.codec.encodeChat([...messages, user('And?')]),
    )
    assert.throws(() => rows.supervised({ messages, completion: '6' }), {
      code: 'invalid_request',
      message: /keep one of them/,
    })
  })
})

describe('what a row with `prompt` is', () => {
  const bare = codecOf('llama3', { chat_template: null })

  test('one turn of a user where there is a chat template, else a text; or as the job says', () => {
    assert.equal(new RowCodec(codecOf('llama3'), {}).format, 'chat')
    assert.equal(new RowCodec(bare, {}).format, 'raw')
    assert.deepEqual(new RowCodec(bare, {}).prompt({ prompt: 'Hi' }).ids, bare.encodeText('Hi'))
    const raw = new RowCodec(codecOf('llama3'), { prompt_format: 'raw' })
    assert.deepEqual(raw.prompt({ prompt: 'Hi' }).ids, bare.encodeText('Hi'))
    assert.deepEqual(raw.prompt({ messages: [user('Hi')] }).ids, codecOf('llama3').encodeChat([user('Hi')]))
  })

  test('is remembered with a checkpoint that was trained on raw text, until a job says otherwise', () => {
    const { codec } = new RowCodec(codecOf('chatml'), { prompt_format: 'raw' })
    assert.equal(new RowCodec(codec, {}).format, 'raw')
    const again = new RowCodec(codec, { prompt_format: 'chat' })
    assert.equal(new RowCodec(again.codec, {}).format, 'chat')
    assert.deepEqual(again.codec.files, codecOf('chatml').files)
    assert.equal(new RowCodec(codec, { prompt_template: 'Q: {prompt}' }).format, 'chat')
    assert.deepEqual(new RowCodec(bare, { prompt_format: 'raw' }).codec.files, bare.files)
  })

  test('cannot be a turn without a template', () => {
    const refused = { code: 'invalid_request', message: /no chat template; give a prompt_template/ }
    assert.throws(() => new RowCodec(bare, { prompt_format: 'chat' }), { ...refused, param: 'prompt_format' })
    assert.throws(() => new RowCodec(bare, { chat_template_kwargs: {} }), { ...refused, param: 'chat_template_kwargs' })
  })
})

describe('a prompt_template', () => {
  test('is how a prompt is asked, whatever the format', () => {
    for (const prompt_format of ['raw', 'chat'] as const) {
      const rows = new RowCodec(codecOf('chatml'), { prompt_template: 'Q: {prompt}', prompt_format })
      assert.equal(rows.prompt({ prompt: 'Hi' }).text, 'Q: Hi')
    }
  })

  const template = "Q: '{prompt}'\\\t{prompt}\r\nA:"
  const asked = (prompt: string) => `Q: '${prompt}'\\\t{prompt}\r\nA:`

  for (const style of ['llama3', 'mistral', 'chatml'])
    test(`of a ${style} model is a chat template with the same ids as the text`, () => {
      const bare = codecOf(style, { chat_template: null })
      const rows = new RowCodec(bare, { prompt_template: template })
      for (const prompt of ['Hi', ' $& {prompt}', "né 'x' \\n"]) {
        const text = bare.prefixText + asked(prompt)
        assert.deepEqual(rows.prompt({ prompt }).ids, bare.encode(text), prompt)
        const { ids } = rows.supervised({ prompt, completion: ' It is.' })
        assert.deepEqual(ids, [...bare.encode(`${text} It is.`), bare.endId])
        if (style !== 'mistral') assert.deepEqual(bare.encode(text), bare.encodeText(asked(prompt)))
      }
    })

  test('stays the same through the jobs that follow, with it or without', () => {
    for (const own of [null, templateOf(new RowCodec(codecOf('gemma'), {}))]) {
      const first = new RowCodec(codecOf('gemma', { chat_template: own }), { prompt_template: template })
      for (const job of [{}, { prompt_template: template }])
        assert.equal(templateOf(new RowCodec(first.codec, job)), templateOf(first))
      const other = new RowCodec(first.codec, { prompt_template: '{prompt}\n' })
      assert.equal(other.prompt({ prompt: 'Hi' }).text, '<s>Hi\n')
      assert.equal(
        templateOf(other),
        templateOf(new RowCodec(codecOf('gemma', { chat_template: own }), { prompt_template: '{prompt}\n' })),
      )
    }
  })

  test('leaves other conversations to the model’s own chat template, or goes around each turn of a user', () => {
    const messages = [user('a'), assistant('b'), user('c')]
    const system: ChatMessage = { role: 'system', content: 'S' }
    const chat = new RowCodec(codecOf('chatml'), { prompt_template: 'Q: {prompt}\n' })
    for (const conversation of [messages, [system, user('a')]])
      assert.equal(chat.prompt({ messages: conversation }).text, codecOf('chatml').renderChat(conversation))
    const base = new RowCodec(codecOf('chatml', { chat_template: null }), { prompt_template: 'Q: {prompt}\n' })
    assert.equal(base.prompt({ messages }).text, 'Q: a\nb<|im_end|>Q: c\n')
    assert.equal(base.prompt({ messages: [system, user('a')] }).text, 'S\nQ: a\n')
  })
})

describe('what a chat template is told', () => {
  const chat_template =
    "\n  {%- if think is defined %}{{ think }} {{ name }}{% endif %}{{ strftime_now('%d %b %Y') }}{{ strftime_now(\"%Y\") }}{{ messages[0].content }}{{ messages[1].content if messages[1] else '' }}\n"
  const codec = codecOf('chatml', { chat_template })

  test('is written into the template that a checkpoint carries, and a caller may say otherwise', () => {
    const rows = new RowCodec(codec, { chat_template_kwargs: { think: false, name: "O'x\n", none_at_all: null } })
    assert.equal(rows.prompt({ prompt: 'Hi' }).text, "False O'x\n26 Jul 20242024Hi")
    assert.equal(rows.codec.renderChat([user('Hi')], { args: { think: 1 } }), "1 O'x\n26 Jul 20242024Hi")
    assert.equal(templateOf(new RowCodec(rows.codec, {})), templateOf(rows))
    const other = new RowCodec(rows.codec, { chat_template_kwargs: { think: true } })
    assert.equal(other.prompt({ prompt: 'Hi' }).text, 'True 26 Jul 20242024Hi')
  })

  test('of the date is fixed in training, for whoever renders the checkpoint’s template', () => {
    const later = { date: new Date(2031, 0, 5) }
    assert.equal(codec.renderChat([user('Hi')], later), '05 Jan 20312031Hi')
    assert.equal(new RowCodec(codec, {}).codec.renderChat([user('Hi')], later), '26 Jul 20242024Hi')
  })
})

describe('generation_config.json of a checkpoint', () => {
  const endless = "{% for m in messages %}{{ m.content }}{{ '<|im_end|>' }}{% endfor %}"

  test('names all that ends a text, where it did not', () => {
    const { tokenizer, config } = kinds.chatml!.files
    const files = { tokenizer, config: { ...config, eos_token: '<|endoftext|>', chat_template: endless } }
    const carried = (generation?: Record<string, unknown>, own: Record<string, unknown> = {}) =>
      new RowCodec(new TextCodec({ ...files, generation }, { config: own }), {}).codec.files.generation
    assert.deepEqual(carried(undefined, { bos_token_id: 3 }), {
      bos_token_id: 3,
      pad_token_id: null,
      eos_token_id: [0, 2],
    })
    assert.deepEqual(carried({ temperature: 0.6, eos_token_id: 0 }), { temperature: 0.6, eos_token_id: [0, 2] })
    assert.deepEqual(carried({ eos_token_id: [2, 0, 5] }), { eos_token_id: [2, 0, 5] })
    assert.equal(carried(undefined, { eos_token_id: [0, 2] }), undefined)
  })
})
