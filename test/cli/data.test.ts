import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { all } from '../../src/client.ts'
import { startCliServer } from './cli-server.ts'

const server = await startCliServer()
const { file, fails } = server
after(() => server.close())

const upload = async (path: string, ...more: string[]) => {
  const ran = await server.gavel(['data', 'upload', path, '--json', ...more])
  assert.equal(ran.code, 0, ran.err)
  return { made: JSON.parse(ran.out) as { id: string; rows: number; labelled: number; completions: number; version: number; bytes: number; base: string }, err: ran.err } // prettier-ignore
}
const rowsOf = async (id: string) => (await all(server.api.datasets.rows(id))).map(({ row }) => row)
const count = async () => (await all(server.api.datasets.list())).length

describe('data upload', () => {
  test('takes a file for what it plainly is, and says so', async () => {
    const alpaca = [{ instruction: 'Add.', input: '2 and 3', output: '5' }, { instruction: 'Say hi.', input: '', output: 'Hi.' }] // prettier-ignore
    const { made, err } = await upload(file('alpaca.json', JSON.stringify(alpaca, null, 2)))
    assert.equal(err, '2 rows of Alpaca: instruction + input → prompt, output → completion\n')
    assert.deepEqual([made.rows, made.completions, made.labelled], [2, 2, 0])
    assert.deepEqual(await rowsOf(made.id), [
      { prompt: 'Add.\n\n2 and 3', completion: '5' },
      { prompt: 'Say hi.', completion: 'Hi.' },
    ])
    const csv = await upload(file('sums.csv', 'question,answer,source\r\n"2, and 3?",5,me\r\n'))
    assert.equal(
      csv.err,
      '1 row of questions with answers: question → prompt, answer → answer; kept and not used: source\n',
    )
    assert.deepEqual(await rowsOf(csv.made.id), [{ source: 'me', prompt: '2, and 3?', answer: '5' }])
    // Gavel's own form goes as it is, without a word.
    const own = '{"prompt": "a" }\n\n{"prompt": "b"}'
    const plain = await upload(file('own.jsonl', own))
    assert.deepEqual([plain.err, plain.made.bytes], ['', own.length])
    const lonely = await upload(file('answers.jsonl', '{"question":"a","answer":"1"}\n'), '--format', 'question-answer')
    assert.equal(lonely.made.labelled, 1)
  })

  test('takes gzip apart, also of CSV', async () => {
    const path = join(server.folder, 'rows.csv.gz')
    writeFileSync(path, gzipSync('prompt,answer\n2 + 3?,5\n'))
    assert.deepEqual(await rowsOf((await upload(path)).made.id), [{ prompt: '2 + 3?', answer: '5' }])
    writeFileSync(path, gzipSync('prompt,answer\n2 + 3?,5\n').subarray(0, 30))
    assert.match(await fails(1, 'data upload', path), /rows\.csv\.gz is no gzip, or was cut off/)
  })

  test('appends as the next version', async () => {
    const one = await upload(file('one.jsonl', '{"prompt":"a"}'), '--name', 'grows')
    const two = await upload(file('two.jsonl', '{"question":"b","answer":"1"}'), '--append-to', 'grows')
    assert.deepEqual([two.made.version, two.made.rows, two.made.base], [2, 2, one.made.id])
    assert.deepEqual(await rowsOf('grows'), [{ prompt: 'a' }, { prompt: 'b', answer: '1' }])
    assert.deepEqual(await rowsOf(one.made.id), [{ prompt: 'a' }])
  })

  test('refuses by file and line what it cannot take, and stores nothing', async () => {
    const before = await count()
    const refused = async (name: string, text: string, message: RegExp, ...more: string[]) =>
      assert.match(await fails(1, 'data upload', file(name, text), ...more), message)
    await refused('p.jsonl', '{"prompt":"a","chosen":"b","rejected":"c"}\n', /p\.jsonl: line 1: it is of the form of preference pairs, and no job trains.*rename `chosen`/) // prettier-ignore
    await refused('m.jsonl', '{"question":"a","answer":"1"}\n\n{"instruction":"a","output":"b"}', /m\.jsonl: line 3: .*looks like Alpaca.*different files\. Nothing was stored\./) // prettier-ignore
    await refused('d.jsonl', '{"prompt":"a"}\n{"prompt":"b","answer":"1","answer":"2"}', /line 2: The JSON has the key "answer" twice/) // prettier-ignore
    await refused('x.txt', 'prompt\na\n', /It begins with "p".*--format csv/)
    await refused('u.jsonl', Buffer.from('\ufeff{"prompt":"a"}', 'utf16le').toString('latin1'), /u\.jsonl:/)
    await refused('e.jsonl', '\n\n', /e\.jsonl: The file has no rows/)
    await fails(2, 'data upload --format xml', file('y.jsonl', '{}'))
    await fails(2, 'data upload', join(server.folder, 'none.jsonl'))
    await fails(2, 'data upload', server.folder)
    assert.equal(await count(), before)
  })
})
