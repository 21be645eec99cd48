import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { all } from '../../../src/client.ts'
import { datasetRows } from '../../../src/core/datasets/dataset-rows.ts'
import { DatasetFile } from '../../../src/gpu-worker/jobs/dataset-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'gavel-dataset-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const path = join(folder, 'rows.jsonl')
const open = (text: string, rows: number) => {
  writeFileSync(path, text)
  return new DatasetFile(path, rows)
}

describe('DatasetFile', () => {
  test('gives rows by index and in order, with their lines, as reading all at once does', async () => {
    const blank = ['', '\n', '\r\n', ' \t\n', '\n\n\n']
    const text = Array.from({ length: 3000 }, (_, i) => {
      const prompt = `é${'x'.repeat((i * 37) % 2500)}`
      return `${JSON.stringify({ id: i, prompt, answer: i })}\n${blank[i % 5]}`
    }).join('')
    const expected = await all(datasetRows([new TextEncoder().encode(`\ufeff\n${text}`)]))
    const file = open(`\ufeff\n${text}`, 3000)
    assert.equal(file.length, 3000)
    assert.deepEqual([...file], expected)
    for (const i of [0, 1, 2999, 1500, 7]) assert.deepEqual(file.at(i), expected[i])
    assert.equal(file.at(5).row.answer, '5')
  })

  test('a last line without an end, and lines larger than what is read at once', () => {
    const long = JSON.stringify({ prompt: 'x'.repeat(200_000), own: ['y'.repeat(800_000)] })
    const file = open(`${long}\n${long}\n{"prompt":"z"}`, 3)
    assert.deepEqual(
      [...file].map(({ line, row }) => [line, row.prompt!.length]),
      [
        [1, 200_000],
        [2, 200_000],
        [3, 1],
      ],
    )
    assert.equal(file.at(2).row.prompt, 'z')
  })

  test('a file of other rows than were counted is refused', () => {
    for (const rows of [1, 3]) assert.throws(() => open('{"prompt":"a"}\n{"prompt":"b"}\n', rows), /has 2 rows instead/)
    assert.throws(() => open('{"prompt":"a"}\n{"prompt":1}\n', 2).at(1), { code: 'bad_dataset_line', param: 'line 2, prompt' }) // prettier-ignore
  })
})
