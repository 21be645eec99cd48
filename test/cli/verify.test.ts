import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { API_COMMANDS } from '../../src/cli/api-commands.ts'
import { runProgram } from '../../src/cli/run-program.ts'

const folder = mkdtempSync(join(tmpdir(), 'gavel-verify-'))
after(() => rmSync(folder, { recursive: true }))

/** Runs `gavel verify` on a file with the lines, without an API. */
async function verify(lines: (object | string)[], ...flags: string[]) {
  const file = join(folder, 'rows.jsonl')
  writeFileSync(file, lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''))
  const ran = { out: '', err: '' }
  const io = {
    out: (text: string) => void (ran.out += text),
    err: (text: string) => void (ran.err += text.replaceAll(file, 'FILE')),
    env: {},
    interrupted: () => new AbortController().signal,
  }
  return { code: await runProgram(['verify', file, ...flags], API_COMMANDS, io), ...ran }
}

const RIGHT = { text: 'So 6 * 5 = 30.\n#### 30', gold: '30' }
const WRONG = { text: 'The answer is 31.', gold: '30' }
const SILENT = { text: 'I do not know.', gold: '30' }

test('a verdict a row', async () => {
  const { code, out, err } = await verify([RIGHT, '', { id: 'second', ...WRONG }, SILENT], '--json')
  assert.equal(
    out,
    [
      '{"line":1,"correct":true,"extracted":"30","reward":1}',
      '{"line":3,"id":"second","correct":false,"extracted":"31","reward":0.1}',
      '{"line":4,"correct":false,"extracted":null,"reward":0}',
      '',
    ].join('\n'),
  )
  assert.deepEqual([code, err], [0, ''])
})

test('a verdict a row, for people', async () => {
  const { out } = await verify([RIGHT, WRONG, SILENT])
  assert.equal(
    out,
    'line 1  right  said 30, gold 30\nline 2  wrong  said 31, gold 30\nline 3  wrong  no answer, gold 30\n',
  )
})

test('where rows say what is expected, how often that is the verdict', async () => {
  const rows = [
    { ...RIGHT, expected: true, tier: 1 },
    { ...WRONG, expected: false, tier: 1 },
    { ...WRONG, expected: true, tier: 10 },
    { ...SILENT, expected: false, tier: 2 },
    { ...RIGHT, expected: false },
  ]
  const { code, out, err } = await verify(rows, '--json')
  assert.equal(out, '{"tiers":{"1":{"right":2,"n":2},"2":{"right":1,"n":1},"10":{"right":0,"n":1}},"right":3,"n":5}\n')
  assert.deepEqual([code, err], [0, ''])

  assert.equal(
    (await verify(rows)).out,
    [
      'line 3  should be right: said 31, gold 30',
      'line 5  should be wrong: said 30, gold 30',
      'tier  right  n  share',
      '1     2      2  100.0 %',
      '2     1      1  100.0 %',
      '10    0      1  0.0 %',
      'all   3      5  60.0 %',
      '',
    ].join('\n'),
  )
})

test('other verifiers by their name', async () => {
  const row = { text: 'a  cat', gold: 'a cat' }
  assert.match((await verify([row], '--verifier', 'exact')).out, /right/)
  assert.match((await verify([row], '--verifier', 'contains')).out, /right/)
  const ilike = '{"type": "string_check", "operation": "ilike"}'
  assert.match((await verify([{ text: 'A Cat', gold: 'cat' }], '--verifier', ilike)).out, /right/)
  const { code, err } = await verify([row], '--verifier', 'frob')
  assert.equal(code, 2)
  assert.match(err, /^gavel: --verifier frob: `verifier` must be .*math.*exact/)
})

test('bad lines are named, and nothing is counted', async () => {
  const { code, out, err } = await verify([
    RIGHT,
    '{"text": ',
    { gold: '1' },
    { text: 'a' },
    '[1]',
    { ...RIGHT, expected: 1 },
  ])
  assert.deepEqual([code, out], [1, ''])
  assert.match(
    err,
    /^gavel: FILE: line 2 is not valid JSON \(.*\); line 3 has no `text`.*; line 4 has no `gold`.*; line 5 is not a JSON object; line 6 has an `expected` other than true or false\. Mend them and run it again\.\n$/,
  )
})

test('gold that is no text is read with every digit, true as the API reads it, and 1e400 is not infinite', async () => {
  const rows = [
    '{"text": "12345678901234567890", "gold": 12345678901234567890}',
    '{"text": "12345678901234567891", "gold": 12345678901234567890}',
    '{"text": "\\\\infty", "gold": 1e400}',
    '{"text": "10^{400}", "gold": 1e400}',
    '{"text": "true", "gold": true}',
  ]
  const { code, out } = await verify(rows, '--json')
  const correct = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).correct)
  assert.deepEqual([code, correct], [0, [true, false, false, true, true]])
})

test('`expected` in some rows only is no measurement', async () => {
  const { code, out, err } = await verify([RIGHT, { ...RIGHT, expected: true }], '--json')
  assert.deepEqual([code, out], [1, ''])
  assert.match(err, /line 2 carries `expected` and line 1 does not/)
})

test('a gold that nothing compares with gets no verdict, and counts against the verifier', async () => {
  const hopeless = { text: '30', gold: '???' }
  const { code, out, err } = await verify([hopeless, RIGHT], '--json')
  assert.equal(code, 1)
  assert.match(out, /^\{"line":1,"error":"The gold answer .*"\}\n\{"line":2,"correct":true,.*\}\n$/)
  assert.match(err, /FILE: 1 of 2 rows have no verdict \(line 1\)/)

  const measured = await verify(
    [
      { ...hopeless, expected: false },
      { ...RIGHT, expected: true },
    ],
    '--json',
  )
  assert.deepEqual([measured.code, measured.out], [0, '{"tiers":{},"right":1,"n":2}\n'])
})

test('a file that is empty or not there', async () => {
  assert.match((await verify([])).err, /has no rows\. Give JSONL/)
  const ran = await verify([RIGHT], '--frob')
  assert.deepEqual([ran.code, ran.out], [2, ''])
  assert.equal(ran.err, "gavel: unknown option '--frob'. `gavel verify --help` shows how.\n")
})
