import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  CLOSINGS,
  DISTRACTORS,
  EVENTS,
  HELDOUT_NAMES,
  NAMES,
  OPENINGS,
  SYLLABLES,
} from '../../demo/problem-fragments.ts'
import { problems } from '../../demo/problems.ts'
import { readProblem } from './read-problem.ts'

const training = problems({ seed: 1, count: 2000, heldout: false })
const heldout = problems({ seed: 1, count: 2000, heldout: true })

describe('problems', () => {
  it('have the answer that a reader of the question finds', () => {
    for (const { question, answer } of [...training, ...heldout]) assert.equal(readProblem(question), answer, question)
  })

  it('have one to three equations that hold, lead to the answer and stay within 1 … 150', () => {
    const compute = {
      '+': (x: number, y: number) => x + y,
      '-': (x: number, y: number) => x - y,
      '*': (x: number, y: number) => x * y,
      '/': (x: number, y: number) => x / y,
    }
    for (const { question, equations, answer } of [...training, ...heldout]) {
      assert.ok(equations.length >= 1 && equations.length <= 3, question)
      for (const { left, op, right, value } of equations) assert.equal(compute[op](left, right), value, question)
      assert.equal(equations.at(-1)!.value, answer, question)
      const written = [...question.matchAll(/\d+/g)].map((match) => Number(match[0]))
      for (const n of [...written, ...equations.flatMap(({ left, right, value }) => [left, right, value])]) {
        assert.ok(Number.isInteger(n) && n >= 1 && n <= 150, `${n} in ${question}`)
      }
    }
  })

  it('fill every slot', () => {
    for (const { question } of [...training, ...heldout]) assert.doesNotMatch(question, /[{}]|undefined|NaN/)
  })

  it('use every fragment, and a distractor in about a third', () => {
    const used = new Set(training.flatMap((problem) => problem.combination.split('|')))
    const all = [...OPENINGS, ...EVENTS, ...CLOSINGS].map((fragment) => fragment.id)
    assert.equal(new Set(all).size, all.length)
    assert.deepEqual([...used].sort(), [...all].sort())
    const share = training.filter((problem) => problem.distractor !== null).length / training.length
    assert.ok(share > 0.3 && share < 0.4, `${share}`)
    for (const { question, distractor } of training) {
      if (distractor !== null) assert.match(question, new RegExp(`\\b${distractor}\\b`))
    }
  })

  it('come without repetition, and repeat exactly for the same seed', () => {
    assert.equal(new Set(training.map((problem) => problem.question)).size, training.length)
    assert.deepEqual(problems({ seed: 1, count: 50, heldout: false }), training.slice(0, 50))
    assert.notDeepEqual(problems({ seed: 2, count: 50, heldout: false }), training.slice(0, 50))
  })

  it('leave out the excluded questions', () => {
    const exclude = training.slice(0, 10).map((problem) => problem.question)
    const others = problems({ seed: 1, count: 10, heldout: false, exclude })
    assert.deepEqual(others, training.slice(10, 20))
  })
})

describe('held-out problems', () => {
  it('share no combination with training problems and are about a fifth of all combinations', () => {
    const known = new Set(training.map((problem) => problem.combination))
    for (const { combination } of heldout) assert.ok(!known.has(combination), combination)

    const short = OPENINGS.flatMap((opening) => CLOSINGS.map((closing) => `${opening.id}|${closing.id}`))
    const unseen = new Set(
      problems({ seed: 3, count: 3000, heldout: true })
        .map((problem) => problem.combination)
        .filter((combination) => combination.split('|').length === 2),
    )
    const share = unseen.size / short.length
    assert.ok(share > 0.12 && share < 0.28, `${share}`)
  })

  it('share no name with training problems', () => {
    const reserved = [...HELDOUT_NAMES.he, ...HELDOUT_NAMES.she]
    const names = (question: string) => question.match(/\b[A-Z][a-z]+\b/g) ?? []
    const inTraining = new Set(training.flatMap((problem) => names(problem.question)))
    const inHeldout = new Set(heldout.flatMap((problem) => names(problem.question)))
    for (const name of reserved) assert.ok(inHeldout.has(name) && !inTraining.has(name), name)
    for (const name of [...NAMES.he, ...NAMES.she]) assert.ok(inTraining.has(name), name)

    const texts = [...OPENINGS, ...EVENTS, ...CLOSINGS].map((fragment) => fragment.text)
    const ordinary = names([...texts, ...DISTRACTORS].join(' '))
    assert.deepEqual(
      [...inHeldout].filter((word) => ![...ordinary, ...reserved, 'He', 'She'].includes(word)),
      [],
    )
  })

  it('have names that no made-up name can be', () => {
    const madeUp = new RegExp(`^(${SYLLABLES.join('|')}){2,3}$`, 'i')
    assert.deepEqual(
      [...HELDOUT_NAMES.he, ...HELDOUT_NAMES.she].filter((name) => madeUp.test(name)),
      [],
    )
  })
})
