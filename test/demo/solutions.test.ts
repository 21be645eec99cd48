import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { problems } from '../../demo/problems.ts'
import { carelessSolution, drill, goldText, mutatedSolution, MUTATIONS, solutionText } from '../../demo/solutions.ts'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'

const sample = problems({ seed: 4, count: 2000, heldout: false })
const FORM = /^First \d+[-+*/]\d+=\d+\.( Then \d+[-+*/]\d+=\d+\.)*\n#### \d+$/

describe('goldText', () => {
  it('has the form that the demo promises', () => {
    const equations = [
      { left: 6, op: '*', right: 5, value: 30 },
      { left: 51, op: '-', right: 30, value: 21 },
    ] as const
    assert.equal(solutionText(equations, 21), 'First 6*5=30. Then 51-30=21.\n#### 21')
    for (const problem of sample) assert.match(goldText(problem), FORM)
  })
})

describe('carelessSolution', () => {
  const spoil = (seed: number) => {
    const rng = new SeededRng(seed)
    return sample.map((problem) => carelessSolution(problem, rng, { low: 0.1, high: 0.75, slip: 0.03 }))
  }

  it('keeps the form, says whether it is right, and is right in about a third', () => {
    const solutions = spoil(1)
    solutions.forEach(({ text, correct }, i) => {
      assert.match(text, FORM)
      assert.equal(text.endsWith(`\n#### ${sample[i]!.answer}`), correct, text)
    })
    const share = solutions.filter((solution) => solution.correct).length / solutions.length
    assert.ok(share > 0.27 && share < 0.38, `${share}`)
  })

  it('takes the distractor for part of the problem now and then, by adding it last', () => {
    const added = spoil(2).filter(({ text }, i) => text.includes(`+${sample[i]!.distractor}=`))
    assert.ok(added.length > 100, `${added.length}`)
  })

  it('is the gold text where nobody is careless, and repeats for the same seed', () => {
    const rng = new SeededRng(1)
    for (const problem of sample.slice(0, 100)) {
      const solution = carelessSolution(problem, rng, { low: 0, high: 0, slip: 0 })
      assert.deepEqual(solution, { text: goldText(problem), correct: true })
    }
    assert.deepEqual(spoil(3), spoil(3))
  })

  it('ends even where everything goes wrong', () => {
    const rng = new SeededRng(1)
    for (const problem of sample) {
      const { text } = carelessSolution(problem, rng, { low: 1, high: 1, slip: 1 })
      assert.match(text, FORM)
    }
  })

  it('misreads some fragments more often than others, the same ones each time', () => {
    const misread = (opening: string) => {
      const rng = new SeededRng(5)
      const rows = sample.filter(({ combination }) => combination.startsWith(`${opening}|`))
      const wrong = rows.filter((problem) => {
        const { text } = carelessSolution(problem, rng, { low: 0, high: 1, slip: 0 })
        return text.split('.')[0] !== goldText(problem).split('.')[0]
      })
      return wrong.length / rows.length
    }
    const rates = ['crates', 'trays', 'weeks', 'corners', 'sizes', 'monday', 'fewer', 'beyond', 'times'].map(misread)
    assert.ok(Math.max(...rates) - Math.min(...rates) > 0.4, rates.join(' '))
  })
})

describe('mutatedSolution', () => {
  it('is correct exactly where the chain is unchanged, about two times in five', () => {
    const rng = new SeededRng(6)
    const solutions = sample.map((problem) => {
      const solution = mutatedSolution(problem, rng)
      assert.match(solution.text, FORM)
      assert.equal(solution.text === goldText(problem), solution.correct)
      return solution
    })
    const share = solutions.filter((solution) => solution.correct).length / solutions.length
    assert.ok(share > 0.33 && share < 0.45, `${share}`)
  })

  it('cuts, shifts and replaces one number, and leaves out the last steps', () => {
    const problem = sample.find(({ equations }) => equations.length === 3)!
    const gold = goldText(problem)
    const numbers = (text: string) => (text.match(/\d+/g) ?? []).map(Number)
    const changes = (text: string) =>
      numbers(text).flatMap((to, i) => {
        const from = numbers(gold)[i]!
        return from === to ? [] : [{ from, to }]
      })
    for (let seed = 0; seed < 50; seed++) {
      const cut = changes(MUTATIONS.cut(problem, new SeededRng(seed)))
      assert.deepEqual(
        cut.map(({ from, to }) => Math.floor(from / 10) === to),
        [true],
      )

      const shift = changes(MUTATIONS.shift(problem, new SeededRng(seed)))
      assert.deepEqual(
        shift.map(({ from, to }) => Math.abs(from - to) <= 10),
        [true],
      )

      assert.ok(changes(MUTATIONS.replace(problem, new SeededRng(seed))).length <= 1)

      const short = MUTATIONS.leaveOut(problem, new SeededRng(seed))
      const kept = short.split('=').length - 1
      assert.ok(kept === 1 || kept === 2)
      assert.equal(short, solutionText(problem.equations.slice(0, kept), problem.equations[kept - 1]!.value))
    }
  })
})

describe('drill', () => {
  it('is three equations that hold, within 150', () => {
    const rng = new SeededRng(7)
    for (let i = 0; i < 500; i++) {
      const text = drill(rng)
      assert.match(text, FORM)
      const equations = [...text.matchAll(/(\d+)([-+*/])(\d+)=(\d+)/g)]
      assert.equal(equations.length, 3)
      for (const [, left, op, right, value] of equations) {
        const [x, y] = [Number(left), Number(right)]
        assert.equal({ '+': x + y, '-': x - y, '*': x * y, '/': x / y }[op!], Number(value), text)
        assert.ok(Number(value) <= 150, text)
      }
      assert.ok(text.endsWith(`#### ${equations[2]![4]}`))
    }
  })
})
