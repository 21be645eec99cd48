import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TextStream } from '../../../src/gpu-worker/serve/text-stream.ts'
import { codec } from '../../../testing/tiny-model.ts'

/** Feeds one byte a token. */
function feed(text: string, stops: string[] = []): { shown: string[]; stopped: boolean } {
  const decode = (ids: readonly number[]) => new TextDecoder().decode(Uint8Array.from(ids))
  const stream = new TextStream(decode, stops)
  const shown: string[] = []
  for (const byte of new TextEncoder().encode(text)) {
    const part = stream.push(byte)
    shown.push(part.text)
    if (part.stopped) return { shown, stopped: true }
  }
  return { shown: [...shown, stream.end()], stopped: false }
}

test('never shows a part of a character', () => {
  const text = 'né 日本 👍🏽!'
  const { shown } = feed(text)
  assert.equal(shown.join(''), text)
  assert.ok(shown.every((part) => !part.includes('\ufffd')))
  assert.deepEqual(shown.filter(Boolean), [...text])
})

test('shows what is left at the end, whole or not', () => {
  const stream = new TextStream((ids) => new TextDecoder().decode(Uint8Array.from(ids)), [])
  assert.equal(stream.push(0xe6).text, '')
  assert.equal(stream.end(), '\ufffd')
  const beginning = new TextStream((ids) => String.fromCharCode(...ids), ['END'])
  assert.equal(beginning.push(69).text, '')
  assert.equal(beginning.end(), 'E')
})

test('stops at the first stop text, of which nothing is shown', () => {
  const { shown, stopped } = feed('one\n\ntwo END', ['END', '\n\n'])
  assert.equal(shown.join(''), 'one')
  assert.equal(stopped, true)
})

test('what only looked like a stop text is shown after all', () => {
  const { shown, stopped } = feed('aab aaab.', ['aaac', 'b!'])
  assert.equal(shown.join(''), 'aab aaab.')
  assert.equal(stopped, false)
})

test('gives a real tokenizer’s text back token by token', () => {
  const text = 'Tom has 12 apples. He buys 30 more → 42 🍎\n'
  const stream = new TextStream((ids) => codec.decode(ids), [])
  const shown = codec.encode(text).map((id) => stream.push(id).text)
  assert.equal(shown.join('') + stream.end(), text)
})

test('shows what comes as it goes on from what was before', () => {
  // As SentencePiece has it: the blank before the first word of a text is not shown.
  const words: Record<number, string> = { 1: ' Paris', 2: ' is' }
  const decode = (ids: readonly number[]) => ids.map((id) => words[id]).join('').slice(1) // prettier-ignore
  const shown = (context: number[]) => {
    const stream = new TextStream(decode, [], context)
    return [stream.push(1).text, stream.push(2).text, stream.end()]
  }
  assert.deepEqual(shown([2]), [' Paris', ' is', ''])
  assert.deepEqual(shown([]), ['Paris', ' is', ''])
})
