import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GavelError } from '../../../src/core/errors.ts'
import { carriesLabel, chooseLabelTokens, labelVariants } from '../../../src/core/judges/labels.ts'
import { labelMasses, probabilityOfYes, verdictEntropy } from '../../../src/core/judges/probability.ts'

const labels = { yes: 'Yes', no: 'No' }
/** Log-probabilities of the given probabilities. */
const tokens = (probabilities: [string, number][]) =>
  probabilities.map(([token, p]) => ({ token, logprob: Math.log(p) }))
const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 1e-12, `${actual}, not ${expected}`)

test('all variants of a label are summed', () => {
  const judgment = probabilityOfYes(
    tokens([['Yes', 0.3], [' Yes', 0.1], ['yes', 0.05], ['YES', 0.02], ['▁Yes', 0.02], ['ĠYes', 0.01], ['No', 0.2], [' no', 0.1], ['Maybe', 0.2]]),
    labels,
  ) // prettier-ignore
  assert.equal(judgment.outcome, 'scored')
  if (judgment.outcome !== 'scored') return
  near(judgment.probability, 0.5 / 0.8)
  near(judgment.labelMass, 0.8)
})

test('words that only begin or end like a label are not it', () => {
  const judgment = probabilityOfYes(
    tokens([
      ['Yes', 0.4],
      ['Yesterday', 0.2],
      ['No', 0.2],
      ['Nothing', 0.1],
      ['oNo', 0.1],
    ]),
    labels,
  )
  if (judgment.outcome !== 'scored') assert.fail()
  near(judgment.labelMass, 0.6)
})

test('a token listed twice counts once; two tokens that read alike count twice', () => {
  const twice = probabilityOfYes(
    tokens([
      ['Yes', 0.6],
      ['No', 0.3],
      ['Yes', 0.6],
    ]),
    labels,
  )
  if (twice.outcome !== 'scored') assert.fail()
  near(twice.labelMass, 0.9)
  const alike = probabilityOfYes(
    tokens([
      ['Yes', 0.5],
      ['Yes', 0.1],
      ['No', 0.3],
    ]),
    labels,
  )
  if (alike.outcome !== 'scored') assert.fail()
  near(alike.probability, 2 / 3)
})

test('only one label seen: certain, as far as the list goes', () => {
  const judgment = probabilityOfYes(tokens([['Yes', 0.999]]), labels)
  assert.deepEqual(judgment, { outcome: 'scored', probability: 1, labelMass: Math.exp(Math.log(0.999)) })
})

test('stays exact far down in log space', () => {
  const judgment = probabilityOfYes(
    [
      { token: 'Yes', logprob: -700 },
      { token: 'No', logprob: -701 },
    ],
    labels,
    0,
  )
  if (judgment.outcome !== 'scored') assert.fail()
  near(judgment.probability, 1 / (1 + Math.exp(-1)))
})

test('low label mass is no score', () => {
  const low = probabilityOfYes(
    tokens([
      ['The', 0.7],
      ['Yes', 0.2],
      ['No', 0.1],
    ]),
    labels,
  )
  assert.equal(low.outcome, 'abstained')
  assert.ok(!('probability' in low))
  if (low.outcome === 'abstained')
    assert.match(low.reason, /label mass 0\.300 is below 0\.5, its likeliest first token is "The"/)
  assert.equal(
    probabilityOfYes(
      tokens([
        ['The', 0.7],
        ['Yes', 0.2],
        ['No', 0.1],
      ]),
      labels,
      0.25,
    ).outcome,
    'scored',
  )
  assert.equal(probabilityOfYes(tokens([['I', 0.9]]), labels, 0).outcome, 'abstained')
  assert.equal(probabilityOfYes([{ token: 'Yes', logprob: -Infinity }], labels, 0).outcome, 'abstained')
})

test('missing and impossible log-probabilities are failures, never numbers', () => {
  const missing = probabilityOfYes([], labels)
  assert.match(missing.outcome === 'failed' ? missing.reason : '', /returned no log-probabilities.*or a local judge/)
  for (const logprob of [NaN, 0.5, Infinity, undefined, null, '-1'] as number[]) {
    const judgment = probabilityOfYes(
      [
        { token: 'Yes', logprob: -0.1 },
        { token: 'x', logprob },
      ],
      labels,
    )
    assert.match(
      judgment.outcome === 'failed' ? judgment.reason : '',
      /garbage from the provider: token "x"/,
      String(logprob),
    )
  }
  const sum = probabilityOfYes(
    tokens([
      ['Yes', 0.9],
      ['No', 0.9],
    ]),
    labels,
  )
  assert.match(sum.outcome === 'failed' ? sum.reason : '', /sum to 1\.800$/)
})

test("a provider's rounding is forgiven", () => {
  const judgment = probabilityOfYes([{ token: 'Yes', logprob: 1e-6 }], labels)
  assert.deepEqual(judgment, { outcome: 'scored', probability: 1, labelMass: 1 })
})

test('what is above its bound by rounding counts as the bound, not as more', () => {
  const above = probabilityOfYes(
    [
      { token: 'Yes', logprob: 9e-4 },
      { token: 'No', logprob: -9 },
    ],
    labels,
  )
  if (above.outcome !== 'scored') assert.fail()
  near(above.probability, 1 / (1 + Math.exp(-9)))
  const total = probabilityOfYes(
    tokens([
      ['Yes', 0.6004],
      ['No', 0.4],
    ]),
    labels,
  )
  if (total.outcome !== 'scored') assert.fail()
  assert.equal(total.labelMass, 1)
  near(total.probability, 0.6004 / 1.0004)
})

test('an abstention names what was asked, and what was said where that is another word, cut where it is long', () => {
  const reasonOf = (said: [string, number][], among: string[]) => {
    const read = labelMasses(tokens(said), among, 0.5)
    return read.outcome === 'abstained' ? read.reason : read.outcome
  }
  assert.equal(
    reasonOf([['B', 0.3], ['C', 0.1], ['x', 0.2]], ['A', 'B', 'C']), // prettier-ignore
    'the judge did not answer A, B or C: label mass 0.400 is below 0.5',
  )
  assert.match(reasonOf([['w'.repeat(100), 0.9]], ['A', 'B']), /answer A or B: .* is below 0\.5, .* token is "w{64}"$/)
  // No mass at all is no answer, however little is wanted.
  assert.equal(labelMasses(tokens([['x', 0.9]]), ['A', 'B'], 0).outcome, 'abstained')
})

test('the entropy of a verdict, in nats', () => {
  assert.deepEqual([verdictEntropy(0), verdictEntropy(1)], [0, 0])
  near(verdictEntropy(0.5), Math.LN2)
  // scipy.stats.entropy([0.25, 0.75])
  near(verdictEntropy(0.25), 0.5623351446188083)
})

test('every variant that is looked up is also recognised', () => {
  for (const label of ['Yes', 'no', 'TRUE', 'A', 'sí']) {
    for (const variant of labelVariants(label)) assert.ok(carriesLabel(variant, label), variant)
  }
  assert.equal(new Set(labelVariants('Yes')).size, 12)
  assert.deepEqual(labelVariants(' Yes\n'), labelVariants('Yes'))
})

test('the label tokens of a vocabulary', () => {
  const vocabulary = new Map([
    ['Yes', 5],
    ['ĠYes', 3],
    ['yes', 9],
    ['No', 4],
    ['Nope', 6],
    ['▁NO', 2],
  ])
  assert.deepEqual(
    chooseLabelTokens((piece) => vocabulary.get(piece), labels),
    { yes: [3, 5, 9], no: [2, 4] },
  )
})

test('labels that are no single token, or one and the same, are refused by name', () => {
  const vocabulary = new Map([['Yes', 1]])
  const lookup = (piece: string) => vocabulary.get(piece)
  const refused = (chosen: { yes: string; no: string }, param: string) => (error: unknown) =>
    error instanceof GavelError && error.code === 'judge_labels_not_single_token' && error.param === param
  assert.throws(() => chooseLabelTokens(lookup, labels), refused(labels, 'labels.no'))
  assert.throws(
    () => chooseLabelTokens(lookup, { yes: 'Correct', no: 'Yes' }),
    /labels\.yes 'Correct' is not a single token/,
  )
  const same = { yes: 'Yes', no: 'yes' }
  assert.throws(() => chooseLabelTokens(lookup, same), /share the token 1/)
  assert.throws(() => chooseLabelTokens(lookup, same), refused(same, 'labels'))
})
