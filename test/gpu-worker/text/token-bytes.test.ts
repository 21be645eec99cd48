import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { TokenTexts } from '../../../src/gpu-worker/serve/token-texts.ts'
import { TokenBytes } from '../../../src/gpu-worker/text/token-bytes.ts'
import { codec, tinyModel } from '../../../testing/tiny-model.ts'
import { tinyTokenizer } from '../../../testing/tiny-model-folder.ts'

interface Fixture {
  tokenizer: object
  prompt: number[]
  cases: { ids: number[]; text: string; skipped: string }[]
  /** Texts that the tokenizer decodes to themselves. */
  texts: { text: string; ids: number[] }[]
}

const folder = new URL('../../fixtures/token-texts/', import.meta.url)

for (const file of readdirSync(folder)) {
  const { tokenizer, cases, texts } = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Fixture
  const bytes = new TokenBytes({ tokenizer })

  test(`${file}: the bytes of tokens add up to what the library decodes`, () => {
    assert.ok(cases.length >= 20)
    for (const { ids, text, skipped } of cases) {
      assert.equal(Buffer.concat(ids.map((id) => bytes.of(id))).toString(), text)
      const shown = ids.filter((id) => !bytes.isSpecial(id))
      assert.equal(Buffer.concat(shown.map((id) => bytes.of(id))).toString(), skipped)
    }
  })

  test(`${file}: a prompt is the texts of its tokens`, () => {
    assert.ok(texts.length >= 3)
    const names = new TokenTexts(bytes)
    for (const { text, ids } of texts) {
      const pieces = names.prompt(ids, text)
      assert.equal(pieces.map((piece) => piece.text).join(''), text)
      assert.deepEqual(Buffer.concat(pieces.map((piece) => piece.bytes)), Buffer.from(text))
      assert.equal(pieces.length, ids.length)
    }
  })

  test(`${file}: no two tokens of different bytes have one name`, () => {
    const names = new TokenTexts(bytes)
    const seen = new Map<string, string>()
    for (let id = 0; id < 1000; id++) {
      const { token, bytes } = names.named({ id, logprob: 0 })
      assert.equal(seen.get(token) ?? String(bytes), String(bytes))
      seen.set(token, String(bytes))
    }
  })
}

test('the demo’s tokenizer: every token’s bytes are those that its text has', () => {
  const bytes = new TokenBytes(tinyTokenizer())
  for (let id = 0; id < tinyModel.vocabularySize; id++) {
    const text = codec.tokenText(id)
    if (!text.includes('\ufffd')) assert.equal(Buffer.from(bytes.of(id)).toString(), text)
  }
})

test('refuses a decoder whose tokens do not add up, by name', () => {
  const tokenizer = (decoder: object) => ({ tokenizer: { model: { vocab: {} }, decoder } })
  const refused = { code: 'unsupported_model' }
  assert.throws(() => new TokenBytes(tokenizer({ type: 'CTC' })), { ...refused, message: /decoder CTC .* known are/ })
  const late = { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'Replace' }] }
  assert.throws(() => new TokenBytes(tokenizer(late)), { ...refused, message: /Replace after Fuse/ })
})
