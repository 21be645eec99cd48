import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkDataset, datasetRows } from '../../../src/core/datasets/dataset-rows.ts'
import { cpuSeconds } from '../../helpers/cpu-seconds.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

describe('checkDataset', () => {
  test('counts rows, answers and completions; blank lines, CRLF and a byte order mark pass', () => {
    const text =
      '\ufeff{"prompt":"a","answer":"1"}\r\n\r\n{"prompt":"b","answer":null,"completion":"c"}\n{"messages":[{"role":"user","content":"x"}]}'
    assert.deepEqual(checkDataset(bytes(text)), { rows: 3, labelled: 1, completions: 1 })
    assert.deepEqual(
      [...datasetRows(bytes(text))].map(({ line }) => line),
      [1, 3, 4],
    )
  })

  test('columns of their own are kept, deep ones refused', () => {
    const [one] = datasetRows(bytes('{"prompt":"a","source":{"page":3}}'))
    assert.deepEqual(one!.row, { prompt: 'a', source: { page: 3 } })
    const deep = `{"prompt":"a","x":${'['.repeat(40)}${']'.repeat(40)}}`
    assert.throws(() => checkDataset(bytes(deep)), { code: 'bad_dataset_line', message: /nested more than 32/ })
  })

  test('names the line after blank ones, as an editor counts', () => {
    assert.throws(() => checkDataset(bytes('{"prompt":"a"}\n\n\nnope\n')), { message: /^Line 4: it is not valid JSON/ })
  })

  test('takes a hundred thousand rows in a moment', () => {
    const many = bytes('{"prompt":"a","answer":"1"}\n'.repeat(100_000))
    assert.ok(cpuSeconds(() => assert.equal(checkDataset(many).rows, 100_000)) < 5)
  })
})
