import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { all } from '../../../src/client.ts'
import { datasetRows } from '../../../src/core/datasets/dataset-rows.ts'
import { datasetLimits, RowChecker, type Tally } from '../../../src/core/datasets/row-checker.ts'
import { RunningSha256 } from '../../../src/core/running-sha256.ts'
import { MAX_LINE_BYTES } from '../../../src/core/schemas/dataset.ts'
import { cpuSeconds } from '../../helpers/cpu-seconds.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const LIMITS = { bytes: 1e9, rows: 1e6 }

/** Checks text that comes in pieces of so many bytes. */
function check(text: string | Uint8Array, { limits = LIMITS, size = 1e9, before }: { limits?: typeof LIMITS; size?: number; before?: Tally } = {}) {
  const all = typeof text === 'string' ? bytes(text) : text
  const checker = new RowChecker(limits, before)
  for (let at = 0; at < all.length; at += size) checker.push(all.subarray(at, at + size))
  return checker.end()
} // prettier-ignore
const counts = ({ rows, labelled, completions }: Tally) => [rows, labelled, completions]

const MIXED =
  '\ufeff{"prompt":"a","answer":"1"}\r\n\r\n{"prompt":"b","answer":null,"completion":"é"}\n \t\n{"messages":[{"role":"user","content":"x"}]}'

describe('RowChecker', () => {
  test('counts rows, answers and completions; blank lines, CRLF and a byte order mark pass, however it is cut', async () => {
    for (const size of [1, 2, 3, 7, 50, 1000]) {
      const tally = check(MIXED, { size })
      assert.deepEqual(counts(tally), [3, 1, 1], `pieces of ${size}`)
      assert.deepEqual([tally.bytes, tally.newlines, tally.open], [bytes(MIXED).length, 4, true])
      assert.equal(new RunningSha256(tally.hash).hex(), createHash('sha256').update(bytes(MIXED)).digest('hex'))
      const rows = await all(datasetRows(Array.from(bytes(MIXED), (byte) => Uint8Array.of(byte))))
      assert.deepEqual(
        rows.map(({ line }) => line),
        [1, 3, 5],
      )
    }
  })

  test('goes on from what was written down, with line numbers of the whole', () => {
    const lines = MIXED.split('\n')
    const first = check(`${lines.slice(0, 3).join('\n')}\n`)
    const both = check(lines.slice(3).join('\n'), { before: JSON.parse(JSON.stringify(first)) as Tally })
    assert.deepEqual(both, check(MIXED))
    assert.throws(() => check('\nnope', { before: first }), { param: 'line 5' })
  })

  test('columns of their own are kept, deep ones refused', async () => {
    const [one] = await all(datasetRows([bytes('{"prompt":"a","source":{"page":3}}')]))
    assert.deepEqual(one!.row, { prompt: 'a', source: { page: 3 } })
    const deep = `{"prompt":"a","x":${'['.repeat(40)}${']'.repeat(40)}}`
    assert.throws(() => check(deep), { code: 'bad_dataset_line', message: /nested more than 32/ })
  })

  test('names the line after blank ones, as an editor counts', () => {
    assert.throws(() => check('{"prompt":"a"}\n\n\nnope\n'), { message: /^Line 4: it is not valid JSON/ })
    assert.throws(() => check('{"prompt":"a"}\r\n\r\n{"prompt":"b","x":1,"x":2}'), {
      message: /^Line 3: The JSON has the key "x" twice/,
      param: 'line 3, x',
    })
  })

  test('half a character in any text, and a file that is not UTF-8, are refused', () => {
    for (const [row, field] of [
      ['{"prompt":"\\ud83d"}', 'prompt'],
      ['{"messages":[{"role":"user","content":"x\\uDE00\\ud83d"}]}', 'messages'],
      ['{"prompt":"a","answer":"\\udbff"}', 'answer'],
      ['{"prompt":"a","mine":{"deep":["\\udc00"]}}', 'mine'],
      ['{"prompt":"a","\\ud800":1}', 'a key'],
    ] as const)
      assert.throws(() => check(row), { param: `line 1, ${field}`, message: /half a character/ }, row)
    assert.deepEqual(counts(check('{"prompt":"\\ud83d\\ude00 \\\\ud83d"}')), [1, 0, 0])
    for (const utf16 of [Uint8Array.of(0xff, 0xfe, 0x7b, 0), Uint8Array.of(0xfe, 0xff, 0, 0x7b), Uint8Array.of(0x7b, 0, 0x22, 0)])
      assert.throws(() => check(utf16), { code: 'unprocessable', message: /UTF-16.*Save it as UTF-8/ }) // prettier-ignore
    assert.throws(() => check('{"prompt":"a\u0000"}'), { message: /^Line 1: it is not valid JSON/ })
  })

  test('lines, rows and bytes beyond the limits are refused at once', () => {
    const row = '{"prompt":"a"}\n'
    assert.equal(check(row.repeat(3), { limits: { bytes: 45, rows: 3 } }).rows, 3)
    assert.throws(() => check(row.repeat(4), { limits: { bytes: 1e9, rows: 3 } }), { code: 'too_large', message: /3 rows/ }) // prettier-ignore
    assert.throws(() => check(row.repeat(3), { limits: { bytes: 44, rows: 3 } }), { code: 'too_large', message: /44 bytes/ }) // prettier-ignore
    for (const size of [1000, 1e9]) {
      assert.throws(() => check(row + 'x'.repeat(MAX_LINE_BYTES + 1), { size }), { code: 'too_large', param: 'line 2' })
    }
  })

  test('a row in another form is told what it looks like', () => {
    assert.throws(() => check('{"instruction":"a","output":"b"}'), { message: /looks like Alpaca, which `gavel data upload` converts \(instruction \+ input → prompt/ }) // prettier-ignore
    assert.throws(() => check('{"text":"a"}'), { message: /looks like plain text, and no job trains on plain text/ })
  })

  test('takes a hundred thousand rows, a million empty lines and a line that comes byte by byte in a moment', () => {
    const many = bytes('{"prompt":"a","answer":"1"}\n'.repeat(100_000))
    assert.ok(cpuSeconds(() => assert.equal(check(many, { size: 65_536 }).rows, 100_000)) < 5)
    const empty = bytes('\n'.repeat(10_000_000))
    assert.ok(cpuSeconds(() => assert.equal(check(empty, { size: 65_536 }).newlines, 10_000_000)) < 5)
    const long = bytes(`{"prompt":"a","x":"${'x'.repeat(500_000)}"}`)
    assert.ok(cpuSeconds(() => assert.equal(check(long, { size: 1 }).rows, 1)) < 5)
  })
})

test('an operator sets the limits in the environment', () => {
  assert.deepEqual(datasetLimits({}), { bytes: 1e9, rows: 1e6 })
  assert.deepEqual(datasetLimits({ GAVEL_MAX_DATASET_BYTES: '5000000000', GAVEL_MAX_DATASET_ROWS: '7' }), { bytes: 5e9, rows: 7 }) // prettier-ignore
  for (const wrong of ['0', '-1', '1e9', 'many']) {
    assert.throws(
      () => datasetLimits({ GAVEL_MAX_DATASET_ROWS: wrong }),
      /GAVEL_MAX_DATASET_ROWS must be a whole number/,
    )
  }
})
