import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'
import {
  decodeUtf8,
  TextStream,
  type TextPiece,
  type TextStreamOptions,
} from '../../../src/gpu-worker/serve/text-stream.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const byteByByte = (text: string) => Array.from(bytesOf(text), (byte) => Uint8Array.of(byte))

interface Fed {
  pieces: TextPiece[]
  /** What was shown after each token, and at the end. */
  shown: string[]
  stop: string | null
}

function feed(tokens: readonly Uint8Array[], options: TextStreamOptions = {}): Fed {
  const stream = new TextStream(options)
  const fed: Fed = { pieces: [], shown: [], stop: null }
  const take = (pieces: TextPiece[]) => {
    fed.pieces.push(...pieces)
    fed.shown.push(pieces.map(({ text }) => text).join(''))
  }
  for (const token of tokens) {
    const { pieces, stop } = stream.push(token)
    take(pieces)
    if (stop !== null) return { ...fed, stop }
  }
  take(stream.end())
  return fed
}

const textOf = ({ pieces }: Fed) => pieces.map(({ text }) => text).join('')
const joinedBytes = ({ pieces }: Fed) => Buffer.concat(pieces.map(({ bytes }) => bytes))

test('shows characters when they are whole; the token that makes one whole has it', () => {
  const fed = feed(byteByByte('a日🍎'))
  assert.deepEqual(fed.shown, ['a', '', '', '日', '', '', '', '🍎', ''])
  assert.deepEqual(
    fed.pieces.map(({ text }) => text),
    ['a', '', '', '日', '', '', '', '🍎'],
  )
  assert.deepEqual(joinedBytes(fed), Buffer.from('a日🍎'))
})

test('bytes that are no text are U+FFFD as soon as that is certain, and at the end', () => {
  const half = Uint8Array.of(0xe6)
  const fed = feed([half, half, bytesOf('b'), half])
  assert.deepEqual(fed.shown, ['', '\ufffd', '\ufffdb', '', '\ufffd'])
  assert.deepEqual(
    fed.pieces.map(({ text }) => text),
    ['\ufffd', '\ufffd', 'b', '\ufffd'],
    'each token that is none shows itself',
  )
  assert.deepEqual(feed([bytesOf('\ufeffa')]).shown, ['\ufeffa', ''], 'a byte order mark is a character like others')
})

test('many half characters show as they come, in linear time', () => {
  const start = performance.now()
  const { shown } = feed(Array.from({ length: 40_000 }, () => Uint8Array.of(0xe6)))
  assert.equal(shown[1], '\ufffd')
  assert.equal(shown.join('').length, 40_000)
  assert.ok(performance.now() - start < 5000)
})

test('decodes any bytes in any pieces as TextDecoder does the whole', () => {
  const rng = new SeededRng(3)
  const alphabet = [
    0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5,
  ]
  for (let round = 0; round < 2000; round++) {
    const bytes = Uint8Array.from({ length: 12 }, () => alphabet[Math.floor(rng.uniform() * alphabet.length)]!)
    const tokens = []
    for (let at = 0; at < bytes.length;) tokens.push(bytes.subarray(at, (at += Math.floor(rng.uniform() * 4))))
    const whole = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
    const fed = feed(tokens)
    assert.equal(textOf(fed), whole)
    assert.deepEqual(joinedBytes(fed), Buffer.from(bytes))
    assert.ok(decodeUtf8(bytes).tail.length <= 3)
  }
})

test('stops at the first stop text, of which nothing is shown unless wished', () => {
  const tokens = byteByByte('one\n\ntwo END')
  const fed = feed(tokens, { stops: ['END', '\n\n'] })
  assert.deepEqual([textOf(fed), fed.stop], ['one', '\n\n'])
  assert.equal(textOf(feed(tokens, { stops: ['END', '\n\n'], includeStop: true })), 'one\n\n')
  assert.equal(feed([bytesOf('xENDING')], { stops: ['END', 'ENDING'] }).stop, 'ENDING', 'of several, the longest')
})

test('a token that is partly of the stop text keeps its other part, with its bytes', () => {
  const [e6, ...rest] = bytesOf('日')
  const tokens = [
    bytesOf('a'),
    Uint8Array.of(e6!),
    Uint8Array.of(...rest, ...bytesOf('xEN')),
    Uint8Array.of(...bytesOf('D!'), 0xe6),
  ]
  const fed = feed(tokens, { stops: ['END'] })
  assert.deepEqual(fed.pieces, [
    { text: 'a', bytes: bytesOf('a') },
    { text: '', bytes: Uint8Array.of(e6!) },
    { text: '日x', bytes: Uint8Array.of(...rest, 0x78) },
    { text: '', bytes: new Uint8Array() },
  ])
  const within = feed(tokens, { stops: ['日x'] })
  assert.equal(textOf(within), 'a')
  assert.deepEqual(joinedBytes(within), Buffer.from('a'))
})

test('what only looked like a stop text is shown after all', () => {
  const fed = feed(byteByByte('aab aaab.'), { stops: ['aaac', 'b!'] })
  assert.deepEqual([textOf(fed), fed.stop], ['aab aaab.', null])
  assert.equal(textOf(feed(byteByByte('E'), { stops: ['END'] })), 'E')
})

test('parts that are shown are whole tokens: their texts are the part', () => {
  const stream = new TextStream({ stops: ['END'] })
  assert.deepEqual(stream.push(bytesOf('a')).pieces.length, 1)
  assert.deepEqual(stream.push(bytesOf('xE')).pieces, [], 'the token is held as a whole')
  assert.deepEqual(
    stream.push(bytesOf('y')).pieces.map(({ text }) => text),
    ['xE', 'y'],
  )
})

test('where no stop text may end, none does', () => {
  const stream = new TextStream({ stops: ['a'] })
  assert.deepEqual(stream.push(bytesOf('a'), { mayStop: false }).stop, null)
  assert.deepEqual(stream.push(bytesOf('a')).stop, 'a')
})
