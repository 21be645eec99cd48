import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agreementOfJudges, combineJudges } from '../../../src/core/judges/ensemble.ts'
import type { ScoredItem } from '../../../src/core/judges/score-items.ts'

const judges = ['judge_a', 'judge_b', 'judge_c']
const asking = { cached: false, usage: { promptTokens: 5, completionTokens: 1 }, latencyMs: 10 }
const scored = (probability: number, labelMass = 1): ScoredItem => ({
  outcome: 'scored',
  probability,
  labelMass,
  ...asking,
})
const probabilityBy = (combine: 'mean' | 'min' | 'mean_minus_sd', k: number, ...probabilities: number[]) => {
  const [item] = combineJudges({ judges, combine, k }, probabilities.map((p) => [scored(p)])) // prettier-ignore
  assert.ok(item?.outcome === 'scored')
  return item.probability
}

test('mean, least, and mean − k·sd, which never falls below 0', () => {
  const near = (actual: number, expected: number) => assert.ok(Math.abs(actual - expected) < 1e-12, `${actual}`)
  near(probabilityBy('mean', 1, 0.2, 0.5, 0.8), 0.5)
  near(probabilityBy('min', 1, 0.2, 0.5, 0.8), 0.2)
  // The sample standard deviation of 0.2, 0.5, 0.8 is 0.3.
  near(probabilityBy('mean_minus_sd', 1, 0.2, 0.5, 0.8), 0.2)
  near(probabilityBy('mean_minus_sd', 0.5, 0.2, 0.5, 0.8), 0.35)
  near(probabilityBy('mean_minus_sd', 5, 0.2, 0.5, 0.8), 0)
})

test('what was spent adds up, what each said is kept, and the weakest label mass counts', () => {
  const members = [[scored(0.4, 0.9)], [scored(0.6, 0.7)]]
  const [item] = combineJudges({ judges: judges.slice(0, 2), combine: 'mean', k: 1 }, members)
  assert.deepEqual(item, {
    outcome: 'scored',
    probability: 0.5,
    labelMass: 0.7,
    cached: false,
    usage: { promptTokens: 10, completionTokens: 2 },
    latencyMs: 10,
    members: [
      { judge: 'judge_a', outcome: 'scored', probability: 0.4 },
      { judge: 'judge_b', outcome: 'scored', probability: 0.6 },
    ],
  })
})

test('an ensemble’s score is from the cache only where all of its judges’ are', () => {
  const cachedWith = (...cached: boolean[]) => {
    const members = cached.map((each) => [{ ...scored(0.5), cached: each }])
    return combineJudges({ judges, combine: 'mean', k: 1 }, members)[0]!.cached
  }
  assert.deepEqual([cachedWith(true, true), cachedWith(true, false), cachedWith(false, false)], [true, false, false])
})

test('one judge without a score leaves the ensemble without, a failure before an abstention', () => {
  const abstained: ScoredItem = { outcome: 'abstained', labelMass: 0.1, reason: 'it hums', ...asking }
  const failed: ScoredItem = { outcome: 'failed', reason: 'it is away', ...asking }
  const combined = combineJudges({ judges, combine: 'min', k: 1 }, [
    [scored(0.9), scored(0.9)],
    [abstained, abstained],
    [failed, scored(0.1)],
  ])
  assert.deepEqual(
    combined.map((item) => [item.outcome, 'reason' in item && item.reason, 'probability' in item]),
    [
      ['failed', 'judge_c of the ensemble: it is away', false],
      ['abstained', 'judge_b of the ensemble: it hums', false],
    ],
  )
  assert.deepEqual(agreementOfJudges(combined), { items: 0, same_verdict: null, alpha: null })
})

test('agreement is over the items that all judges scored; single judges have none', () => {
  const members = [
    [scored(0.9), scored(0.2), scored(0.6)],
    [scored(0.8), scored(0.1), scored(0.4)],
  ]
  const found = agreementOfJudges(combineJudges({ judges: judges.slice(0, 2), combine: 'mean', k: 1 }, members))!
  assert.deepEqual([found.items, found.same_verdict], [3, 2 / 3])
  // By the definition, pair by pair.
  const ratings = [0.9, 0.8, 0.2, 0.1, 0.6, 0.4]
  const expected = ratings
    .flatMap((a, i) => ratings.map((b, j) => (i === j ? 0 : (a - b) ** 2)))
    .reduce((a, b) => a + b)
  const observed = 2 * (0.1 ** 2 + 0.1 ** 2 + 0.2 ** 2)
  assert.ok(Math.abs(found.alpha! - (1 - observed / 6 / (expected / 30))) < 1e-12)
  assert.equal(agreementOfJudges([scored(0.5)]), null)
})
