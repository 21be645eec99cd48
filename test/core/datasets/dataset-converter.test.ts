import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DatasetConverter, describeTaken, type FileFormat } from '../../../src/core/datasets/dataset-converter.ts'
import { MAX_LINE_BYTES } from '../../../src/core/schemas/dataset.ts'
import { cpuSeconds } from '../../helpers/cpu-seconds.ts'

/** The JSONL of a file that comes in pieces of so many bytes, and what it was taken for. */
function convert(file: string | Uint8Array, { format = 'auto' as FileFormat, name = 'f.jsonl', size = 1e9 } = {}) {
  const all = typeof file === 'string' ? new TextEncoder().encode(file) : file
  const converter = new DatasetConverter(format, name)
  const out: Uint8Array[] = []
  for (let at = 0; at < all.length; at += size) out.push(...converter.push(all.slice(at, at + size)))
  out.push(...converter.end())
  return { text: Buffer.concat(out).toString('utf8'), taken: converter.taken() }
}
const rows = (file: string | Uint8Array, options: Parameters<typeof convert>[1] = {}) => {
  const whole = convert(file, options).text
  for (const size of [1, 3, 64]) assert.equal(convert(file, { ...options, size }).text, whole, `in pieces of ${size}`)
  return whole.split('\n').filter(Boolean).map((line) => JSON.parse(line) as unknown) // prettier-ignore
}
const jsonl = (...list: object[]) => list.map((row) => `${JSON.stringify(row)}\n`).join('')
const refused = (file: string | Uint8Array, message: RegExp, param?: string | null, options: Parameters<typeof convert>[1] = {}) =>
  assert.throws(() => convert(file, options), (error: Error & { param?: string | null }) => {
    assert.match(error.message, message)
    if (param !== undefined) assert.equal(error.param, param)
    return true
  }) // prettier-ignore

const ASK = { role: 'user', content: '2 + 3?' }
const SAY = { role: 'assistant', content: '5' }

describe('forms of rows', () => {
  test("Gavel's own comes out byte for byte", () => {
    const own = '\ufeff{"prompt":"a" , "answer":1}\r\n\n{"messages":[{"role":"user","content":"x"}],"completion":"y"}'
    for (const size of [1, 10, 1000]) assert.equal(convert(own, { size }).text, own)
    assert.deepEqual(convert(own).taken, { form: 'gavel', rows: 2, unused: [] })
  })

  test('OpenAI chat: the last turn of the assistant is the completion', () => {
    const system = { role: 'developer', content: 'Be short.' }
    const parts = { role: 'user', content: [{ type: 'text', text: '2 ' }, { type: 'text', text: '+ 3?' }] } // prettier-ignore
    assert.deepEqual(
      rows(jsonl({ messages: [system, parts, { ...SAY, weight: 1, refusal: null }], answer: '5', own: 1, x: null })),
      [{ own: 1, messages: [{ role: 'system', content: 'Be short.' }, ASK], completion: '5', answer: '5' }],
    )
    assert.deepEqual(rows(jsonl({ messages: [ASK, SAY, ASK] })), [{ messages: [ASK, SAY, ASK] }])
    const bad = (row: object, message: RegExp, field: string) => refused(jsonl({ messages: [ASK, SAY] }, row), message, `line 2, ${field}`) // prettier-ignore
    bad({ messages: [ASK, SAY], tools: [{}] }, /line 2: it has `tools`: no job knows tools/, 'tools')
    bad({ messages: [ASK, { ...SAY, weight: 0 }] }, /weight 0/, 'messages')
    bad({ messages: [ASK, { ...SAY, tool_calls: [1] }] }, /`tool_calls`, which would be lost/, 'messages[1]')
    bad({ messages: [ASK, { role: 'tool', content: 'x' }] }, /is of "tool"/, 'messages[1]')
    bad({ messages: [ASK, { role: 'assistant', content: null }] }, /has no text/, 'messages[1]')
    bad({ messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, /has no text/, 'messages[0]')
    bad({ messages: [SAY] }, /nothing before the assistant/, 'messages')
    bad({ messages: [] }, /must be a list of turns/, 'messages')
    bad({ messages: [ASK, 'x'] }, /must be an object/, 'messages[1]')
    bad({ messages: [{ role: 'constructor', content: 'x' }] }, /is of "constructor"/, 'messages[0]')
  })

  test('ShareGPT', () => {
    const turns = [{ from: 'human', value: '2 + 3?' }, { from: 'gpt', value: '5', markdown: null }] // prettier-ignore
    assert.deepEqual(rows(jsonl({ id: 'i', conversations: turns, system: 'Be short.' })), [
      { id: 'i', messages: [{ role: 'system', content: 'Be short.' }, ASK], completion: '5' },
    ])
    refused(jsonl({ conversations: [{ from: 'observation', value: 'x' }] }), /is of "observation"/, 'line 1, conversations[0]') // prettier-ignore
    refused(
      jsonl({ conversations: turns, answer: '5' }),
      /has `answer` beside the columns of ShareGPT/,
      'line 1, answer',
    )
  })

  test('Alpaca: with input and without', () => {
    const file = jsonl(
      { instruction: 'Add.', input: '2 and 3', output: '5', text: 'all of it' },
      { instruction: 'Say hi.', input: '', output: 'Hi.', history: [] },
      { instruction: 'Say ho.', output: 'Ho.', input: null },
    )
    assert.deepEqual(rows(file), [
      { text: 'all of it', prompt: 'Add.\n\n2 and 3', completion: '5' },
      { prompt: 'Say hi.', completion: 'Hi.' },
      { prompt: 'Say ho.', completion: 'Ho.' },
    ])
    assert.equal(
      describeTaken(convert(file).taken),
      '3 rows of Alpaca: instruction + input → prompt, output → completion; kept and not used: text',
    )
    refused(jsonl({ instruction: 'a', output: 'b', history: [['c', 'd']] }), /has `history`/, 'line 1, history')
    refused(jsonl({ instruction: 'a', output: 5 }), /`output` must be a text/, 'line 1, output')
    refused(jsonl({ instruction: 'a', output: 'b', completion: 'c' }), /has `completion` beside/, 'line 1, completion')
  })

  test('GSM8K, and plain questions with answers', () => {
    const solution = 'She sold 48/2 = <<48/2=24>>24.\n#### 1,072 '
    assert.deepEqual(rows(jsonl({ question: 'How many?', answer: solution })), [
      { prompt: 'How many?', answer: '1,072', completion: solution },
    ])
    assert.deepEqual(rows(jsonl({ question: 'How many?', answer: 7 }, { question: 'Is it #### 3?', answer: 'no' })), [
      { prompt: 'How many?', answer: '7' },
      { prompt: 'Is it #### 3?', answer: 'no' },
    ])
    refused(jsonl({ question: 'a', answer: '1' }, { question: 'b', answer: '#### 1' }), /line 2: it is not of the form of the first row, questions with answers: it looks like GSM8K/, 'line 2, row') // prettier-ignore
    refused(jsonl({ question: 'a', answer: 12345678901234567000 }), /more digits/, 'line 1, answer')
    refused(jsonl({ question: 'a', answer: ['1', '2'] }), /`answer` must be/, 'line 1, answer')
    const spaces = jsonl({ question: 'a', answer: `#### a${' '.repeat(150_000)}b` })
    assert.ok(cpuSeconds(() => convert(spaces)) < 2)
  })

  test('what no job can use is refused with the remedy', () => {
    for (const row of [
      { prompt: 'a', chosen: 'b', rejected: 'c' },
      { chosen: [ASK, SAY], rejected: [] },
    ]) {
      refused(jsonl(row), /preference pairs, and no job trains.*rename `chosen` to `completion` and drop `rejected`/, 'line 1, row') // prettier-ignore
    }
    refused(jsonl({ text: 'Once upon a time' }), /plain text, and no job trains on plain text/, 'line 1, row')
  })

  test('what is none of them, or could be several, is refused; all rows are of one form', () => {
    refused(jsonl({ a: 1, b: 2 }), /its columns \(a, b\) are of no form that is known/, 'line 1, row')
    refused(jsonl({}), /its columns \(none\)/)
    refused(jsonl({ instruction: 'a', output: 'b', question: 'c', answer: 'd' }), /could be Alpaca or questions with answers\. Say which with --format \(alpaca, question-answer\)/) // prettier-ignore
    refused(jsonl({ prompt: 'a', instruction: 'b', output: 'c' }), /could be Gavel or Alpaca/)
    refused(jsonl({ prompt: 'a' }, { instruction: 'b', output: 'c' }), /^line 2: it is not of the form of the first row, Gavel: it looks like Alpaca/) // prettier-ignore
    refused(jsonl({ prompt: 'a' }, { prompt: 'a', chosen: 'b', rejected: 'c' }), /looks like preference pairs/)
    // Said outright, the columns of another form are columns of one's own.
    assert.deepEqual(rows(jsonl({ question: 'q', instruction: 'a', output: 'b' }), { format: 'alpaca' }), [{ question: 'q', prompt: 'a', completion: 'b' }]) // prettier-ignore
    refused(jsonl({ prompt: 'a' }), /not of the form of the first row, Alpaca/, undefined, { format: 'alpaca' })
  })

  test('a row that became none is named by the line of the file', () => {
    refused(jsonl({ instruction: '', output: 'b' }), /^line 1: `prompt` is empty/, 'line 1, prompt')
    refused(`\n\n${jsonl({ question: 'a', answer: '1' })}\n${jsonl({ question: 'x'.repeat(200_001), answer: '1' })}`, /^line 5: `prompt` must have a length/) // prettier-ignore
    refused('', /has no rows/)
    refused(' \n\n \ufeff', /has no rows/)
    refused('[]', /has no rows/)
  })
})

describe('files', () => {
  test('a JSON array, however it is laid out', () => {
    const list = [
      { question: 'a "b" \\ [', answer: '}' },
      { question: '{', answer: '"]"', own: { deep: [[]] } },
    ]
    const expected = [
      { prompt: 'a "b" \\ [', answer: '}' },
      { own: { deep: [[]] }, prompt: '{', answer: '"]"' },
    ]
    for (const text of [JSON.stringify(list), `\ufeff \n${JSON.stringify(list, null, 4)}\r\n`]) {
      assert.deepEqual(rows(text), expected)
    }
    refused('[{"question":"a","answer":"1"}', /breaks off/)
    refused('[{"question":"a","answer":"1"},\n{"question":', /line 2: the JSON array breaks off/)
    refused('[{"question":"a","answer":"1"} {', /"\{" stands where a comma/)
    refused('[{"question":"a","answer":"1"},]', /"\]" stands where a row should/)
    refused('[{"question":"a","answer":"1"}]\n\n[', /line 3: "\[" follows the end/)
    refused('[1]', /"1" stands where a row should/)
    refused('[{"question":"a",\n"answer":"1","answer":"2"}]', /line 1: The JSON has the key "answer" twice in one object/, 'line 1, answer') // prettier-ignore
    refused('[{"question":"a"\n\n"answer":"1"}]', /line 1: it is not valid JSON/)
    refused(`[{"question":"${'x'.repeat(MAX_LINE_BYTES)}`, /longer than/)
  })

  test('CSV, as RFC 4180 has it', () => {
    const csv = (text: string, options = {}) => rows(text, { name: 'data.CSV', ...options })
    assert.deepEqual(csv('\ufeffprompt,answer\r\n"a ""b"", c",1\r\n\r\n"two\r\nlines",\r\n,'.slice(0, -3)), [
      { prompt: 'a "b", c', answer: '1' },
      { prompt: 'two\r\nlines' },
    ])
    assert.deepEqual(csv('question , answer,source\nq,"#### 4",""\n'), [
      { prompt: 'q', answer: '4', completion: '#### 4' },
    ])
    assert.deepEqual(rows('prompt\nx\n"y"', { format: 'csv', name: '-' }), [{ prompt: 'x' }, { prompt: 'y' }])
    const bad = (text: string, message: RegExp) => refused(text, message, undefined, { format: 'csv' })
    bad('prompt,answer\na,1\nb\n', /line 3: the row has 1 cells and the header 2 columns/)
    bad('prompt,answer\n"a\n\nb",1,2\n', /line 2: the row has 3 cells/)
    bad('prompt\n"a', /line 2: a cell that begins with a double quote in this row never ends/)
    bad('prompt\na"b"\n', /line 2: a double quote stands in the middle/)
    bad('prompt\n"a"b\n', /line 2: "b" follows a closing quote/)
    bad('prompt\ra\r', /line 1: a carriage return stands without a line feed/)
    bad('prompt,prompt\na,b\n', /line 1: the header names "prompt" twice/)
    bad('prompt,\na,b\n', /line 1: a column of the header has no name/)
    bad('\n\n', /there is no header/)
    bad('prompt\n', /has no rows/)
    bad(`prompt\n"${'x'.repeat(MAX_LINE_BYTES + 9)}`, /line 2: the row is longer/)
    bad('prompt,answer\n,1\n', /line 2: its columns \(answer\) are of no form/)
  })

  test('JSONL that is none is named by its line', () => {
    refused('{"question":"a","answer":"1"}\nnope', /^line 2: it is not valid JSON/, 'line 2')
    refused('{"question":"a","answer":"1"}\n[1]', /^line 2: it must be a JSON object/)
    refused('{"question":"a","answer":1e400}', /^line 1: The JSON has a number at "answer"/, 'line 1, answer')
    refused('{\n"question":"a",\n"answer":"1"}', /^line 1: it is not valid JSON/)
    refused('question,answer\na,1\n', /^It begins with "q", so it is neither JSONL.*--format csv/)
    refused(jsonl({ question: 'a', answer: '1' }) + 'x'.repeat(MAX_LINE_BYTES + 1), /^line 2: the row is longer/)
  })

  test('UTF-16, other bytes than UTF-8, and half characters', () => {
    refused(new Uint8Array([0xff, 0xfe, ...Buffer.from('{"prompt":"a"}', 'utf16le')]), /UTF-16\. Save it as UTF-8/)
    refused(new Uint8Array(Buffer.from('{"prompt":"a"}', 'utf16le')), /UTF-16/)
    for (const size of [1, 2, 7, 1e9]) {
      const latin = Buffer.from('{"question":"a","answer":"1"}\n{"question":"\xe9","answer":"1"}\n', 'latin1')
      refused(latin, /^line 2: it is not valid UTF-8/, 'line 2', { size })
      refused(Buffer.concat([Buffer.from('{"question":"é😀","answer":"1"}\n'), latin]), /^line 3: /, 'line 3', { size })
    }
    refused(
      Uint8Array.of(...Buffer.from('{"question":"a","answer":"1"}\n'), 0xf0, 0x9f),
      /^line 2: it is not valid UTF-8/,
    )
    refused('{"question":"\\ud83d","answer":"1"}', /^line 1: `question` has half a character/, 'line 1, question')
  })
})
