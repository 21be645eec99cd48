import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formulaOf, numbersOf, resultsOf, withNumbers, written } from '../../../examples/gsm8k/formulas.ts'
import { renumber } from '../../../examples/gsm8k/renumber.ts'
import { spoil } from '../../../examples/gsm8k/spoil.ts'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'
import { verifierOf } from '../../../src/core/verifiers/index.ts'

const APPLES = 'Ann picks 12 apples and Bo 9. They eat 5. How many are left?'
const BOOKS = 'He puts 56 books on 8 shelves, as many on each. How many are on one?'

const solution = (question: string, answer: string) => {
  const formula = formulaOf(question, answer)
  return formula && written(formula, numbersOf(question))
}

test('one step is preferred, and two are found where they are needed', () => {
  assert.equal(solution(BOOKS, '7'), '56 / 8 = 7\n#### 7')
  assert.equal(solution(APPLES, '16'), '12 + 9 = 21\n21 - 5 = 16\n#### 16')
  assert.equal(solution('From 5 she gives 9.2 of 11.7 away. And now?', '2.5'), '11.7 - 9.2 = 2.5\n#### 2.5')
})

test('no solution where none fits, where several differ, and where numbers are grouped', () => {
  assert.equal(solution(APPLES, '1000'), null)
  assert.equal(solution('2 cats and 2 dogs. How many animals?', '4'), null, '2 + 2 or 2 * 2')
  assert.equal(solution('She has 1,000 and gets 5. How many?', '5'), null)
})

test('a renumbered story keeps its words and its formula, with whole results above 0', () => {
  const rng = new SeededRng(1, 'test')
  for (const [question, answer] of [
    [APPLES, '16'],
    [BOOKS, '7'],
  ] as const) {
    const formula = formulaOf(question, answer)!
    for (let i = 0; i < 50; i++) {
      const variant = renumber(question, formula, rng)!
      assert.notEqual(variant.question, question)
      assert.equal(withNumbers(variant.question, numbersOf(question)), question)
      assert.deepEqual(numbersOf(variant.question), variant.numbers)
      assert.ok(resultsOf(formula, variant.numbers).every((result) => Number.isInteger(result) && result > 0))
    }
  }
  assert.equal(renumber('11.7 less 9.2?', formulaOf('11.7 less 9.2?', '2.5')!, rng), null)
})

test('the verifier accepts every solution and refuses every spoiled one', async () => {
  const rng = new SeededRng(2, 'test')
  const formula = formulaOf(APPLES, '16')!
  const correct = async (text: string, gold: string) => (await verifierOf('math').verify({ text, gold })).correct
  const kinds = new Set<string>()
  for (let i = 0; i < 300; i++) {
    const { numbers } = renumber(APPLES, formula, rng)!
    const gold = `${resultsOf(formula, numbers).at(-1)}`
    assert.ok(await correct(written(formula, numbers), gold))
    const spoiled = spoil(formula, numbers, rng)
    assert.ok(!(await correct(spoiled, gold)), `${spoiled} for ${gold}`)
    kinds.add(spoiled.replace(/\d+(\.\d+)?/g, 'n'))
  }
  assert.ok(kinds.size > 10, 'errors of many kinds')
})
