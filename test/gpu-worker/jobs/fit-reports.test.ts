import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { GavelError, type ErrorCode } from '../../../src/core/errors.ts'
import { sample as sampleSchema, eventPost, metricPoint } from '../../../src/core/schemas/job.ts'
import { parse } from '../../../src/core/schemas/parse.ts'
import {
  cutText,
  fitEvent,
  fitPoint,
  fitSample,
  inPosts,
  isRefusal,
  jsonBytes,
} from '../../../src/gpu-worker/jobs/fit-reports.ts'

const MIB = 1024 ** 2
const sample = (prompt: string, more = {}) => ({
  step: 1,
  split: 'train' as const,
  index: 0,
  prompt,
  completion: 'c',
  ...more,
})

describe('cutText', () => {
  test('leaves what fits as it is', () => {
    for (const text of ['', 'short', '"'.repeat(50), '\u0000'.repeat(16), '👍'.repeat(25)])
      assert.equal(cutText(text, 100), text)
  })

  test('keeps beginning and end, says how much is gone, and never has more bytes than it may', () => {
    const cut = cutText(`begin${'x'.repeat(990)}final`, 200)
    assert.match(cut, /^beginx+\[… (\d+) of 1000 characters are cut out here …\]x+final$/)
    const gone = Number(/(\d+) of/.exec(cut)![1])
    assert.equal(cut.replace(/\[….*…\]/, '').length, 1000 - gone)
    for (const character of ['a', 'é', '€', '👍', '"', '\n', '\u0000', '\ud800']) {
      for (const most of [100, 101, 102, 103, 104, 105, 4000]) {
        const text = cutText(character.repeat(5000), most)
        assert.ok(jsonBytes(text) - 2 <= most, `${JSON.stringify(character)} in ${most}`)
        assert.ok(jsonBytes(text) - 2 > most - 20, `${JSON.stringify(character)} in ${most}: no more than needed`)
        assert.ok(text.isWellFormed())
      }
    }
  })
})

test('any sample and any event is one that the API takes, and small', () => {
  const long = ['\u0000', '\ud83d', 'é', '👍'].map((character) => character.repeat(400_000))
  for (const text of long) {
    const fitted = fitSample(sample(text, { completion: text, answer: text, terms: { text } }))
    parse(sampleSchema, JSON.parse(JSON.stringify(fitted)), 'body')
    assert.ok(jsonBytes(fitted) < MIB / 2)
    const event = fitEvent({ level: 'info', message: text, data: { text } })
    parse(eventPost, JSON.parse(JSON.stringify(event)), 'body')
    assert.match(String(event.data!.cut), /bytes were too much/)
    assert.ok(jsonBytes(event) < MIB / 2)
  }
  const plain = sample('p', { answer: null, terms: { judge: 0.5 }, reward: 1 })
  assert.deepEqual(fitSample(plain), plain)
})

test('posts hold all rows in their order, none too large, none empty', () => {
  const rows = Array.from({ length: 250 }, (_, i) => sample('x'.repeat(5000), { index: i }))
  const posts = inPosts(rows)
  assert.deepEqual(posts.flat(), rows)
  assert.ok(posts.length === 2 && posts.every((post) => jsonBytes(post) < MIB))
  assert.deepEqual(inPosts([]), [])
  assert.deepEqual(inPosts([1, 2, 3, 4, 5], { rows: 2 }), [[1, 2], [3, 4], [5]])
  assert.deepEqual(inPosts(['a', 'x'.repeat(99), 'b'], { bytes: 20 }), [['a'], ['x'.repeat(99)], ['b']])
})

test('numbers come in rows that the API takes; what is no number is named', () => {
  const values = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`m${i}`, i]))
  const { points, left } = fitPoint({ step: 3, values: { ...values, bad: NaN, worse: -Infinity } })
  assert.deepEqual(left, ['bad', 'worse'])
  for (const point of points) parse(metricPoint, JSON.parse(JSON.stringify(point)), 'body')
  assert.deepEqual(Object.assign({}, ...points.map((point) => point.values)), values)
  assert.deepEqual(fitPoint({ step: 3, values: { bad: NaN } }).points, [])
})

test('a refusal is what sending again would not mend', () => {
  const codes: ErrorCode[] = ['too_large', 'unprocessable', 'invalid_request', 'malformed_json']
  for (const code of codes) assert.ok(isRefusal(new GavelError(code, '')), code)
  for (const code of ['storage_unavailable', 'stale_fence', 'rate_limited', 'unauthorized', 'disk_full'] as const)
    assert.ok(!isRefusal(new GavelError(code, '')), code)
  assert.ok(!isRefusal(new TypeError('fetch failed')))
})
