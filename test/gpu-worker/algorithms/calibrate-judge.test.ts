import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Judgment } from '../../../src/core/judges/probability.ts'
import type { JudgeItem } from '../../../src/core/judges/template.ts'
import { judgeCalibrateSpec } from '../../../src/core/schemas/judge-jobs.ts'
import { parse } from '../../../src/core/schemas/parse.ts'
import { calibrateJudge } from '../../../src/gpu-worker/algorithms/calibrate-judge.ts'
import { RunStopped, type NumberedRow, type RunContext } from '../../../src/gpu-worker/algorithms/run-context.ts'

type Row = Record<string, unknown>
interface Options {
  spec?: object
  config?: object
  /** How often it may ask whether to stop before it is to. */
  goesOn?: number
}

const says = (probability: number, raw?: number): Judgment => ({
  outcome: 'scored',
  probability,
  labelMass: 1,
  ...(raw !== undefined && { raw }),
})
/** A judge whose probability is the answer itself. */
const read = ({ answer }: JudgeItem): Judgment => says(Number(answer))

/** Calibrates on rows of line 1 and on, with a judge that is a function of the item and of its place. */
async function calibrated(
  rows: Row[],
  judge: (item: JudgeItem, place: number) => Judgment = read,
  { spec = {}, config = {}, goesOn = Infinity }: Options = {},
) {
  const asked: JudgeItem[][] = []
  const metrics: [number, Record<string, number>][] = []
  let looks = 0
  const context = {
    rows: (role: string) => (role === 'dataset' ? rows.map((row, i) => ({ line: i + 1, row }) as NumberedRow) : []),
    stopRequested: () => ++looks > goesOn,
    metrics: (step: number, values: Record<string, number>) => void metrics.push([step, values]),
    judge: async (items: JudgeItem[]) => {
      const before = asked.flat().length
      asked.push(items)
      return items.map((item, i) => judge(item, before + i))
    },
  } as unknown as RunContext
  const body = {
    type: 'judge.calibrate',
    judge: 'j',
    dataset: 'd',
    ...spec,
    config: { folds: 2, bins: 2, bootstrap: 100, ...config },
  }
  const result = await calibrateJudge(parse(judgeCalibrateSpec, body, 'spec'), context)
  return { result, asked, metrics }
}

/** So many answers of a score, the first of them right, each to a question of its own. */
const answers = (score: number, count: number, right: number): Row[] =>
  Array.from({ length: count }, (_, i) => ({
    prompt: `question ${score}/${i}`,
    completion: String(score),
    correct: i < right,
  }))
/** A judge that is right about 15 of 20 either way. */
const FAIR = [...answers(0.8, 20, 15), ...answers(0.2, 20, 5)]

describe('what a calibration finds', () => {
  test('maps, and measures before and after, are of the graded answers', async () => {
    const { result } = await calibrated(FAIR, read, { spec: { method: 'isotonic' } })
    const { rows, scored, abstained, failed, questions, correct, map, before, after, methods } = result
    assert.deepEqual([rows, scored, abstained, failed, questions, correct], [40, 40, 0, 0, 40, 20])
    assert.deepEqual(map, { method: 'isotonic', x: [0.2, 0.8], y: [0.25, 0.75] })
    assert.equal(after, methods.isotonic)
    // Pairs in order: 15 · 15 of 400, and of the 2 · 15 · 5 that are tied a half.
    assert.equal(before.auc!.value, (225 + 75) / 400)
    assert.equal(before.accuracy!.value, 0.75)
    assert.ok(Math.abs(before.ece!.value - 0.05) < 1e-12)
    assert.ok(Math.abs(before.brier!.value - (0.75 * 0.2 ** 2 + 0.25 * 0.8 ** 2)) < 1e-12)
    assert.deepEqual(
      before.reliability.map(({ n, share_correct }) => [n, share_correct]),
      [
        [20, 0.25],
        [20, 0.75],
      ],
    )
  })

  test('the method that is asked for is used, whichever is better', async () => {
    const { map, after, methods } = (await calibrated(FAIR, read, { spec: { method: 'platt' } })).result
    assert.equal(after, methods.platt)
    // Two scores leave Platt nothing to smooth but its targets, 21/22 and 1/22: at 0.8 their mean is 8/11.
    assert.ok(map.method === 'platt')
    assert.ok(Math.abs(map.a - Math.log(8 / 3) / Math.log(4)) < 1e-6 && Math.abs(map.b) < 1e-6)
  })

  test('of itself it takes the method with the lower Brier score on held-out questions, and Platt’s where both are even', async () => {
    const methodOf = async (rows: Row[]) => {
      const { map, after, methods } = (await calibrated(rows)).result
      assert.equal(after, methods[map.method])
      return [map.method, Math.sign(methods.isotonic.brier!.value - methods.platt.brier!.value)]
    }
    // No logistic curve stays low as far as 0.5 and is high at 0.9.
    assert.deepEqual(await methodOf([...answers(0.1, 60, 6), ...answers(0.5, 60, 6), ...answers(0.9, 60, 54)]), ['isotonic', -1]) // prettier-ignore
    // Right as often as it says, a logistic curve itself; steps through so few answers follow their noise.
    const few = Array.from({ length: 40 }, (_, i) => ({ score: (i + 0.5) / 40, correct: ((i * 7) % 40) / 40 < (i + 0.5) / 40 })) // prettier-ignore
    assert.deepEqual(await methodOf(few.map(({ score, correct }, i) => ({ prompt: `${i}`, completion: `${score}`, correct }))), ['platt', 1]) // prettier-ignore
    // A right and a wrong answer to each question, and a judge that knows nothing: both say 0.5.
    const even = Array.from({ length: 20 }, (_, i) => ({ prompt: `${i >> 1}`, completion: '0.5', correct: i % 2 === 0 })) // prettier-ignore
    assert.deepEqual(await methodOf(even), ['platt', 0])
  })

  test('the map is from the raw probability of a judge that is calibrated already', async () => {
    const judge = (item: JudgeItem) => says(0.5, Number(item.answer))
    const { map } = (await calibrated(FAIR, judge, { spec: { method: 'isotonic' } })).result
    assert.deepEqual(map, { method: 'isotonic', x: [0.2, 0.8], y: [0.25, 0.75] })
  })

  test('answers without a score are counted by why, and calibrate nothing', async () => {
    const without: Judgment[] = [
      { outcome: 'abstained', labelMass: 0.1, reason: 'maybe' },
      { outcome: 'failed', reason: 'timeout' },
      { outcome: 'failed', reason: 'timeout' },
    ]
    // The last two are to a question that others answer, too.
    const more = [{ prompt: 'unscored', completion: '0.2', correct: true }, ...answers(0.8, 2, 2)]
    const { result } = await calibrated([...FAIR, ...more], (item, i) => without[i - 40] ?? read(item))
    const { rows, scored, abstained, failed, questions, correct } = result
    assert.deepEqual([rows, scored, abstained, failed, questions, correct], [43, 40, 1, 2, 40, 20])
  })
})

test('a judge that is no better than a coin is marked: there is nothing to calibrate', async () => {
  const informative = async (rows: Row[]) => (await calibrated(rows)).result.informative
  assert.equal(await informative(FAIR), true)
  // Right answers and wrong ones score alike, with a little luck: AUC 0.525.
  const coin = [...answers(0.8, 20, 11), ...answers(0.2, 20, 10)]
  const { before } = (await calibrated(coin)).result
  assert.ok(before.auc!.low < 0.5 && before.auc!.value > 0.5, JSON.stringify(before.auc))
  assert.equal(await informative(coin), false)
  assert.equal(await informative([...answers(0.2, 20, 18), ...answers(0.8, 20, 2)]), false, 'worse than a coin')
})

describe('what a judge is asked', () => {
  test('every row once, in order, 128 at a time, with a word of how far it is', async () => {
    const rows = [...answers(0.8, 150, 100), ...answers(0.2, 150, 50)]
    const { asked, metrics, result } = await calibrated(rows)
    assert.deepEqual(
      asked.map((items) => items.length),
      [128, 128, 44],
    )
    assert.deepEqual(
      asked.flat(),
      rows.map(({ prompt, completion }) => ({ question: prompt, answer: completion })),
    )
    assert.deepEqual(metrics, [
      [128, { 'judge/done': 128 }],
      [256, { 'judge/done': 256 }],
      [300, { 'judge/done': 300 }],
    ])
    assert.equal(result.rows, 300)
  })

  test('only the first rows, where there is a limit', async () => {
    const { asked, result } = await calibrated([...FAIR, ...answers(0.9, 5, 5)], read, { config: { limit: 40 } })
    assert.equal(result.rows, 40)
    assert.deepEqual(
      asked.flat().map(({ question }) => question),
      FAIR.map(({ prompt }) => prompt),
    )
  })

  test('asked to stop, it says how far it was and asks no more', async () => {
    const rows = answers(0.8, 300, 150)
    let judged = 0
    const counting = (item: JudgeItem) => (judged++, read(item))
    await assert.rejects(calibrated(rows, counting, { goesOn: 1 }), (error: Error) => {
      assert.ok(error instanceof RunStopped)
      assert.equal(error.message, 'stopped after 128 rows')
      return true
    })
    assert.equal(judged, 128)
  })

  test('a judge that has gone away ends it, at the rows that it was asked about', async () => {
    const rows = answers(0.8, 140, 70)
    const away = (item: JudgeItem, i: number): Judgment =>
      i < 128 ? read(item) : { outcome: 'failed', reason: 'ECONNREFUSED' }
    await assert.rejects(calibrated(rows, away), {
      code: 'judge_unreachable',
      message: /^rows from 129: none of 12 answers got a score: the judge failed \(ECONNREFUSED\)/,
    })
  })

  test('a judge that still answers, if only with something else, goes on', async () => {
    const rows = [...answers(0.8, 128, 64), ...answers(0.2, 2, 0)]
    const odd: Judgment[] = [
      { outcome: 'abstained', labelMass: 0, reason: 'maybe' },
      { outcome: 'failed', reason: 'timeout' },
    ]
    const { scored, abstained, failed } = (await calibrated(rows, (item, i) => odd[i - 128] ?? read(item))).result
    assert.deepEqual([scored, abstained, failed], [128, 1, 1])
  })
})

describe('what a calibration rests on', () => {
  test('ten right and ten wrong answers are enough, nine of either are not', async () => {
    assert.equal((await calibrated(answers(0.8, 20, 10))).result.correct, 10)
    const refused = (right: number, wrong: number) => ({
      code: 'invalid_request',
      param: 'dataset',
      message: `dataset: the judge scored ${right} right and ${wrong} wrong answers; a calibration needs at least 10 of each. Add rows.`,
    })
    await assert.rejects(calibrated(answers(0.8, 20, 9)), refused(9, 11))
    await assert.rejects(calibrated(answers(0.8, 30, 21)), refused(21, 9))
    await assert.rejects(calibrated([]), refused(0, 0))
  })

  test('too few questions to hold some out are refused with what to do', async () => {
    const rows = Array.from({ length: 20 }, (_, i) => ({
      prompt: i < 10 ? 'one' : 'other',
      completion: '0.8',
      correct: i < 10,
    }))
    await assert.rejects(calibrated(rows), {
      code: 'invalid_request',
      param: 'dataset',
      message:
        'dataset: the judge scored 10 right and 10 wrong answers, but of too few questions: the rows outside a fold are all right or all wrong. Add questions, or lower config.folds.',
    })
  })

  test('what goes wrong in the figures themselves is not laid on the dataset', async () => {
    const judge = () => ({ outcome: 'scored', probability: 1n, labelMass: 1 }) as unknown as Judgment
    await assert.rejects(calibrated(FAIR, judge), TypeError)
  })

  test('a row’s own word is its truth; without one the verifier compares, and the judge is shown the gold', async () => {
    const rows = [
      ...FAIR,
      { prompt: 'a', completion: '0.2', answer: '5', correct: true },
      { prompt: 'b', completion: '0.2', answer: '0.2' },
      { prompt: 'c', completion: '0.2', answer: '5' },
      { prompt: 'd', completion: '0.2', answer: null, correct: false },
    ]
    const { result, asked } = await calibrated(rows)
    assert.deepEqual([result.rows, result.correct], [44, 22])
    assert.deepEqual(asked.flat().slice(-4), [
      { question: 'a', answer: '0.2', reference: '5' },
      { question: 'b', answer: '0.2', reference: '0.2' },
      { question: 'c', answer: '0.2', reference: '5' },
      { question: 'd', answer: '0.2' },
    ])
    // To the letter, 0.20 is another answer.
    const spelt = [...FAIR, { prompt: 'e', completion: '0.2', answer: '0.20' }]
    assert.equal((await calibrated(spelt)).result.correct, 21)
    assert.equal((await calibrated(spelt, read, { spec: { verifier: 'exact' } })).result.correct, 20)
  })

  for (const [what, row, message] of [
    ['nothing to judge', { prompt: 'x', correct: true }, /there is no `completion` to judge$/],
    ['a truth that is none', { prompt: 'x', completion: '1', correct: 'yes' }, /`correct` must be true or false$/],
    ['neither truth nor gold', { prompt: 'x', completion: '1' }, /give `correct` \(true or false\), or an `answer` to/],
    [
      'gold that cannot be compared',
      { prompt: 'x', completion: '1', answer: 'because it is so' },
      /The gold answer "because it is so"/,
    ],
  ] as const)
    test(`a row of ${what} is named by its line before anybody is asked`, async () => {
      let asked = 0
      await assert.rejects(
        calibrated([...FAIR, row], (item) => (asked++, read(item))),
        (error: Error) => {
          const { code, param } = error as Error & Record<string, unknown>
          assert.deepEqual([code, param], ['bad_dataset_line', 'dataset'])
          assert.match(error.message, new RegExp(`^dataset, line 41: ${message.source}`))
          return true
        },
      )
      assert.equal(asked, 0)
    })

  test('a verifier that breaks is no fault of the row', async () => {
    const rows = [{ prompt: 'x', completion: '1', answer: 5 }]
    await assert.rejects(calibrated(rows), TypeError)
  })
})
