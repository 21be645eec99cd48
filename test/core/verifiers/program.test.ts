import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GavelError } from '../../../src/core/errors.ts'
import type { ProgramOutcome, ProgramRunner } from '../../../src/core/ports.ts'
import { findProgram } from '../../../src/core/verifiers/find-program.ts'
import { verifierOf } from '../../../src/core/verifiers/index.ts'

test('the program is the last block that defines solution(), or the lines around its definition', () => {
  const program = 'def solution():\n    x = 5\n    return x'
  for (const text of [
    program,
    `Here it is:\n\`\`\`python\n${program}\n\`\`\`\nIt returns 5.`,
    `\`\`\`\nprint(1)\n\`\`\`\nbetter:\n\`\`\`py\n${program}\n\`\`\``,
    `\`\`\`python\ndef solution():\n    return 4\n\`\`\`\nNo:\n\`\`\`python\n${program}\n\`\`\``,
    `\`\`\`python\n${program}`,
    `Let us write it.\n${program}\nSo the answer is 5.`,
  ])
    assert.equal(findProgram(text)?.trim(), program, text)
  const withImports = `import math\nfrom fractions import Fraction\n\nRATE = 2\n\n${program}`
  assert.equal(findProgram(`I use a library.\n${withImports}\n\nThat is it.`)?.trim(), withImports)
  for (const text of [
    '',
    'The answer is 5',
    '```python\nprint(5)\n```',
    `def solution():\n  ${'x = 1\n  '.repeat(20_000)}`,
  ])
    assert.equal(findProgram(text), null)
})

test('what becomes of a call becomes the verdict', async () => {
  const verdictOf = (outcome: ProgramOutcome, gold: string) => {
    const runner: ProgramRunner = { call: async () => outcome }
    return verifierOf('program', runner).verify({ text: 'def solution(): return 0', gold })
  }
  const returned = (text: string | null, number: number | null = null): ProgramOutcome => ({
    outcome: 'returned',
    text,
    number,
    output: '',
  })
  const correct = async (outcome: ProgramOutcome, gold: string) => (await verdictOf(outcome, gold)).correct
  assert.equal(await correct(returned('18.0', 18), '18'), true)
  assert.equal(await correct(returned('18.01', 18.01), '$18'), true)
  assert.equal(await correct(returned('18.011', 18.011), '18'), false)
  assert.equal(await correct(returned('nan'), '18'), false)
  assert.equal(await correct(returned('17', 18), '18'), false, 'one guess a program')
  assert.equal(await correct(returned('1/2', 0.5), '\\frac{1}{2}'), true)
  assert.equal(await correct(returned('0.35', 0.35), '35%'), true)
  assert.equal(await correct(returned('even'), '\\text{Even}'), true)
  // 2^53 and 2^53 + 1 are one double, and 2^1100 is none.
  assert.equal(await correct(returned(String(2n ** 53n), 2 ** 53), String(2n ** 53n + 1n)), false)
  assert.equal(await correct(returned(String(2n ** 53n + 1n), 2 ** 53), String(2n ** 53n + 1n)), true)
  assert.equal(await correct(returned(String(2n ** 1100n)), String(2n ** 1100n)), true)
  assert.equal(await correct(returned(String(2n ** 1100n + 1n)), String(2n ** 1100n)), false)
  const none = (reason: string) => ({ correct: false, extracted: null, reward: 0, reason })
  assert.deepEqual(await verdictOf(returned(null), '18'), none('The program returned nothing that is an answer.'))
  assert.deepEqual(
    await verdictOf({ outcome: 'stopped', error: 'took longer than 10 s' }, '18'),
    none('The program took longer than 10 s.'),
  )
})

test('where nothing runs programs, that is said; a bad gold is one everywhere', async () => {
  const verifier = verifierOf({ type: 'program', tolerance: 0 })
  const refusal = (code: string, param: string) => (error: unknown) =>
    error instanceof GavelError && error.code === code && error.param === param
  const row = { text: 'def solution(): return 1', gold: '1' }
  await assert.rejects(async () => verifier.verify(row), refusal('unavailable_here', 'verifier'))
  await assert.rejects(async () => verifier.verify({ ...row, gold: '' }), refusal('unprocessable', 'gold'))
  assert.throws(() => verifier.checkGold(''), refusal('unprocessable', 'gold'))
})
