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
