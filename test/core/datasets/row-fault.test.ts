import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rowFault } from '../../../src/core/datasets/row-fault.ts'
import type { DatasetRow } from '../../../src/core/schemas/dataset.ts'

const said = (role: 'system' | 'user' | 'assistant', content: string) => ({ role, content })
const CASES: [row: DatasetRow, trained: RegExp | null, asked: RegExp | null][] = [
  [{ prompt: '2+3?', completion: '5' }, null, null],
  [{ prompt: '2+3?', completion: ' \n' }, /completion is empty/, null],
  [{ prompt: '2+3?', completion: null }, /completion is empty/, null],
  [{ prompt: ' ', completion: 'A text to go on with' }, null, /prompt is blank/],
  [{ messages: [said('user', 'Hi'), said('assistant', 'Hello')] }, null, null],
  [{ messages: [said('user', 'Hi'), said('assistant', '')] }, /completion is empty/, null],
  [{ messages: [said('user', 'Hi')], completion: 'Hello' }, null, null],
  [{ messages: [said('user', 'Hi'), said('assistant', 'Hello')], completion: 'Hello' }, /keep one of them/, null],
  [{ messages: [said('assistant', 'Hello')] }, /ask nothing/, /ask nothing/],
  [{ messages: [said('system', ' '), said('user', ''), said('assistant', 'x')] }, /ask nothing/, /ask nothing/],
  [{ messages: [said('system', 'Be brief.'), said('user', '')], completion: 'x' }, null, null],
]

test('says why a row is of no use for what it is to be used for', () => {
  for (const [row, trained, asked] of CASES) {
    for (const [use, expected] of [['trained', trained], ['asked', asked]] as const) {
      const fault = rowFault(row, use)
      const where = `${JSON.stringify(row)}, ${use}: ${fault}`
      if (expected === null) assert.equal(fault, null, where)
      else assert.match(fault ?? '', expected, where)
    }
  } // prettier-ignore
})
