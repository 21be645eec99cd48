import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { PRE_TOKENIZERS } from '../../../src/gpu-worker/text/gguf-pre-tokenizers.ts'
import { ggufTokenizer } from '../../../src/gpu-worker/text/gguf-tokenizer.ts'
import type { GgufValue } from '../../../src/gpu-worker/weights/gguf.ts'
import { TextCodec } from '../../../src/gpu-worker/text/text-codec.ts'
import { tinyTokenizer } from '../../../testing/tiny-model-folder.ts'

/** The 256 single bytes as byte-level BPE spells them, and a few longer pieces. */
const { vocab } = (tinyTokenizer().tokenizer as { model: { vocab: Record<string, number> } }).model
const bytes = Object.keys(vocab).filter((piece) => [...piece].length === 1)
const merges = ['1 2', '12 3', '123 4', '? ?', "' S", 'a Ċ', 'Ċ Ċ']
const tokens = ['<end>', '<user>', ...bytes, ...merges.map((merge) => merge.replace(' ', ''))]

const codecOf = (pre: string | undefined) =>
  new TextCodec(
    ggufTokenizer(
      new Map<string, string | number | string[] | number[]>([
        ['tokenizer.ggml.model', 'gpt2'],
        ...(pre ? [['tokenizer.ggml.pre', pre] as const] : []),
        ['tokenizer.ggml.tokens', tokens],
        ['tokenizer.ggml.token_type', tokens.map((_, i) => [3, 4][i] ?? 1)],
        ['tokenizer.ggml.merges', merges],
        ['tokenizer.ggml.eos_token_id', 0],
      ]),
      'x.gguf',
    ),
  )
const pieces = (pre: string | undefined, text: string) => {
  const codec = codecOf(pre)
  return codec.encode(text).map((id) => codec.tokenText(id))
}

test('cuts numbers as each model does', () => {
  assert.deepEqual(pieces('smollm', '1234'), ['1', '2', '3', '4'])
  assert.deepEqual(pieces('qwen2', '1234'), ['1', '2', '3', '4'])
  assert.deepEqual(pieces('llama-bpe', '1234'), ['123', '4'])
  for (const pre of ['gpt-2', 'default', undefined]) assert.deepEqual(pieces(pre, '1234'), ['1234'])
})

test('cuts contractions and line ends as each model does', () => {
  // Only the newer patterns take 'S for a contraction, which keeps it whole; GPT-2's takes small letters only.
  assert.deepEqual(pieces('qwen2', "x'S"), ['x', "'S"])
  assert.deepEqual(pieces('gpt-2', "x'S"), ['x', "'", 'S'])
  assert.deepEqual(pieces('llama-bpe', 'x\n\n'), ['x', '\n\n'])
  assert.deepEqual(pieces('smollm', '??\n\n'), ['??', '\n\n'])
})

test('qwen2 composes characters first', () => {
  assert.deepEqual(codecOf('qwen2').encode('e\u0301'), codecOf('qwen2').encode('\u00e9'))
  assert.notDeepEqual(codecOf('llama-bpe').encode('e\u0301'), codecOf('llama-bpe').encode('\u00e9'))
})

test('control tokens are found in text and left out of it; a user’s own are shown', () => {
  const codec = codecOf('smollm')
  const ids = codec.encode('a<end><user>b')
  assert.deepEqual(ids.slice(1, 3), [0, 1])
  assert.equal(codec.decode(ids), 'a<user>b')
  assert.deepEqual([codec.endId, codec.stopIds, codec.largestId], [0, [0], tokens.length - 1])
})

test('a text ends at all that the header names, and begins as it says or as llama.cpp has it', () => {
  const opened = (change: Record<string, string | number | boolean>) =>
    new TextCodec(
      ggufTokenizer(
        new Map<string, string | number | boolean | string[] | number[]>([
          ['tokenizer.ggml.model', 'gpt2'],
          ['tokenizer.ggml.tokens', tokens],
          ['tokenizer.ggml.token_type', tokens.map((_, i) => [3, 4][i] ?? 1)],
          ['tokenizer.ggml.merges', merges],
          ['tokenizer.ggml.bos_token_id', 1],
          ['tokenizer.ggml.eos_token_id', 0],
          ...Object.entries(change),
        ]),
        'x.gguf',
      ),
    )
  const pre = 'tokenizer.ggml.pre'
  const ends = { 'tokenizer.ggml.eot_token_id': 7, 'tokenizer.ggml.eom_token_id': 0 }
  assert.deepEqual(opened(ends).stopIds, [0, 7])
  const begins = (change: Record<string, string | boolean>) => opened(change).encodeText('a')[0] === 1
  assert.ok(begins({ [pre]: 'llama-bpe' }))
  assert.ok(!begins({ [pre]: 'llama-bpe', 'tokenizer.ggml.add_bos_token': false }))
  assert.ok(!begins({ [pre]: 'qwen2' }))
  assert.ok(begins({ [pre]: 'qwen2', 'tokenizer.ggml.add_bos_token': true }))
})

/** What SentencePiece makes of some texts (test/fixtures/gguf/make_spm.py). */
interface Spm {
  add_space_prefix: boolean
  tokens: string[]
  scores: number[]
  token_type: number[]
  bos_token_id: number
  eos_token_id: number
  unknown_token_id: number
  texts: [text: string, ids: number[], decoded: string][]
}
const SPM = JSON.parse(readFileSync(new URL('../../fixtures/gguf/spm.json', import.meta.url), 'utf8')) as Record<
  string,
  Spm
>

const sentencePiece = ({ texts: _, ...spm }: Spm, change: Record<string, GgufValue> = {}) =>
  ggufTokenizer(
    new Map<string, GgufValue>([
      ['tokenizer.ggml.model', 'llama'],
      ...Object.entries(spm).map(([key, value]): [string, GgufValue] => [`tokenizer.ggml.${key}`, value]),
      ...Object.entries(change),
    ]),
    'x.gguf',
  )

for (const [name, spm] of Object.entries(SPM)) {
  test(`texts are cut and joined as SentencePiece does it, like ${name}`, () => {
    const codec = new TextCodec(sentencePiece(spm))
    for (const [text, ids, decoded] of spm.texts) {
      // With a space before each text, SentencePiece has one before a token that begins it, too; llama.cpp has not.
      if (spm.add_space_prefix && text.startsWith('<turn>')) continue
      assert.deepEqual(codec.encode(text), ids, JSON.stringify(text))
      assert.equal(codec.decode(ids), decoded, JSON.stringify(text))
    }
    assert.deepEqual(codec.encodeText('x')[0], spm.bos_token_id)
    assert.deepEqual(codec.stopIds, [spm.eos_token_id])
  })
}

test('BOS of SentencePiece is left out where the header says so', () => {
  const codec = new TextCodec(sentencePiece(SPM.llama!, { 'tokenizer.ggml.add_bos_token': false }))
  assert.notEqual(codec.encodeText('x')[0], SPM.llama!.bos_token_id)
})

test('pieces without scores are refused', () => {
  const message = /tokenizer\.ggml\.scores or the tokens' types are not as many as the tokens/
  assert.throws(() => sentencePiece(SPM.llama!, { 'tokenizer.ggml.scores': [1] }), { code: 'corrupt_model', message })
  const text = { 'tokenizer.ggml.scores': ['x'] }
  assert.throws(() => sentencePiece(SPM.llama!, text), { code: 'corrupt_model', message: /scores is not a list of/ })
})

test('words are cut as the models of each pre-tokenizer cut them', () => {
  const text = "HelloWorld isn't 12345\n\nnaïve"
  const cut = (pre: string) => {
    const { pre_tokenizer } = PRE_TOKENIZERS[pre]! as unknown as {
      pre_tokenizer: { pretokenizers: { pattern: { Regex: string } }[] }
    }
    return text.match(new RegExp(pre_tokenizer.pretokenizers[0]!.pattern.Regex, 'gu'))
  }
  assert.deepEqual(cut('llama-bpe'), ['HelloWorld', ' isn', "'t", ' ', '123', '45', '\n\n', 'naïve'])
  assert.deepEqual(cut('deepseek-r1-qwen'), ['HelloWorld', ' isn', "'t", ' ', ...'12345', '\n\n', 'naïve'])
  assert.deepEqual(cut('gpt-4o'), ['Hello', 'World', " isn't", ' ', '123', '45', '\n\n', 'naïve'])
  assert.deepEqual(cut('tekken'), ['Hello', 'World', ' isn', "'t", ' ', ...'12345', '\n\n', 'naïve'])
})
