import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gradients } from '../../../src/gpu-worker/graph/autodiff.ts'
import { Graph } from '../../../src/gpu-worker/graph/graph.ts'
import type { Tensor } from '../../../src/gpu-worker/graph/tensor.ts'
import { LOSSES, type LossName } from '../../../src/gpu-worker/losses/index.ts'
import { rowMean } from '../../../src/gpu-worker/losses/row-mean.ts'
import { assertClose } from '../../helpers/close.ts'
import { runGraph, type Value } from '../../helpers/run-graph.ts'

/** The loss of a whole batch in double precision, written out anew: one number a token. */
type Expected = (of: Record<string, number[]>, set: Record<string, number>) => number[]

/** Three rows of 3, 1 and 2 tokens: on both sides of both bounds of the clip range, with advantages of either sign. */
const ROWS = [0, 0, 0, 1, 2, 2]
const DATA = {
  logprobs: [-1, -1, -1, -1, -2, -0.5],
  values: [0.1, 0.9, -0.4, 0.5, 0.2, 0.25],
  old: [-1.5, -1.5, -0.5, -0.5, -2.1, -0.4],
  advantage: [1, -1, 1, -1, 0.7, 0],
  reference: [-1.2, -0.8, -1, -2, -1.5, -3],
  old_value: [0, 0.5, -0.5, 0.45, 0.4, 0.2],
  return: [1, 0.2, 0, 0.5, 0.9, 0.1],
}
const SETTINGS = { sequence_ratio: 0, ratio_low: 0.8, ratio_high: 1.28, dual_clip: 1e30, k2: 0, k3: 0.1 }

const bound = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high)
const meanOfRow = (x: number[], row: number) => {
  const own = x.filter((_, i) => ROWS[i] === row)
  return own.reduce((a, b) => a + b, 0) / own.length
}
const divergence: Expected = ({ logprobs, reference }, { k2, k3 }) =>
  logprobs!.map((logprob, i) => {
    const gap = reference![i]! - logprob
    return (k2! * gap * gap) / 2 + k3! * (Math.exp(gap) - gap - 1)
  })
const ratios: Expected = ({ logprobs, old }, { sequence_ratio }) => {
  const gaps = logprobs!.map((logprob, i) => logprob - old![i]!)
  return gaps.map((gap, i) => Math.exp(sequence_ratio ? meanOfRow(gaps, ROWS[i]!) : gap))
}
const policyClip: Expected = (of, set) =>
  ratios(of, set).map((ratio, i) => {
    const advantage = of.advantage![i]!
    const objective = Math.min(ratio * advantage, bound(ratio, set.ratio_low!, set.ratio_high!) * advantage)
    const kept = advantage < 0 ? Math.max(objective, set.dual_clip! * advantage) : objective
    return divergence(of, set)[i]! - kept
  })
const valueClip: Expected = (of, set) =>
  of.values!.map((value, i) => {
    const [old, target] = [of.old_value![i]!, of.return![i]!]
    const held = bound(value, old - set.value_clip!, old + set.value_clip!)
    return (set.value_weight! / 2) * Math.max((value - target) ** 2, (held - target) ** 2)
  })

interface Case {
  name: LossName
  settings?: Record<string, number>
  expected: Expected
}
const CASES: Record<string, Case> = {
  'cross-entropy': { name: 'cross-entropy', expected: ({ logprobs }) => logprobs!.map((x) => -x) },
  'policy-clip': { name: 'policy-clip', settings: SETTINGS, expected: policyClip },
  'policy-clip, dual': { name: 'policy-clip', settings: { ...SETTINGS, dual_clip: 1.5 }, expected: policyClip },
  'policy-clip, k2': { name: 'policy-clip', settings: { ...SETTINGS, k2: 0.3, k3: 0 }, expected: policyClip },
  'policy-value': {
    name: 'policy-value',
    settings: { ...SETTINGS, value_clip: 0.2, value_weight: 5 },
    expected: (of, set) => valueClip(of, set).map((x, i) => x + policyClip(of, set)[i]!),
  },
}

test('every loss has a case', () => {
  const covered = new Set([...Object.values(CASES).map(({ name }) => name), 'policy-weight'])
  assert.deepEqual([...covered].sort(), Object.keys(LOSSES).sort())
})

for (const [title, { name, settings = {}, expected }] of Object.entries(CASES)) {
  test(`${title}: values, and gradients by differences`, async () => {
    const { loss, gradient } = await run(name, settings)
    assertClose(loss, expected(DATA, settings), 1e-6, 'loss')
    for (const wrt of ['logprobs', 'values'] as const) {
      if (gradient[wrt]) assertClose(gradient[wrt], differences(wrt, settings, expected), 1e-5, `gradient by ${wrt}`)
    }
    assert.equal(name === 'policy-value', 'values' in gradient)
  })
}

test('a sequence ratio: each row has one; weighed by 1/length its gradient is that of the sequence loss', async () => {
  const settings = { ...SETTINGS, sequence_ratio: 1, ratio_low: 0.9, ratio_high: 1.1, k3: 0 }
  // An advantage a row, as an answer has one; the row in the middle lies inside the bounds.
  const of = { ...DATA, advantage: [1, 1, 1, -1, -0.7, -0.7], old: [-1.5, -1.5, -0.5, -1.05, -2.1, -0.4] }
  const weights = ROWS.map((row) => 1 / ROWS.filter((r) => r === row).length)
  const { loss, gradient } = await run('policy-clip', settings, of, weights)
  assertClose(loss, policyClip(of, settings), 1e-6, 'loss')
  assertClose(gradient.logprobs!, differences('logprobs', settings, policyClip, of, weights), 1e-5, 'gradient')
  assert.ok(gradient.logprobs!.some((x) => x === 0) && gradient.logprobs!.some((x) => x !== 0), 'both sides of a bound')
})

test('policy-weight: the bounded ratio weighs log p and takes no gradient itself', async () => {
  const settings = { ...SETTINGS, ratio_low: 0, ratio_high: 1.3 }
  const { loss, gradient } = await run('policy-weight', settings)
  const weight = ratios(DATA, settings).map((ratio, i) => bound(ratio, 0, 1.3) * DATA.advantage[i]!)
  const expected: Expected = (of, set) => divergence(of, set).map((d, i) => d - weight[i]! * of.logprobs![i]!)
  assertClose(loss, expected(DATA, settings), 1e-6, 'loss')
  assertClose(gradient.logprobs!, differences('logprobs', settings, expected), 1e-5, 'gradient')
})

test('a policy that has run far away gives finite gradients', async () => {
  const far = { ...DATA, old: [-200, -200, 0, 0, -200, -200], logprobs: [0, 0, -200, -200, 0, 0], reference: DATA.old }
  const { loss, gradient } = await run('policy-clip', { ...SETTINGS, dual_clip: 3, k3: 0 }, far)
  assert.ok([...loss, ...gradient.logprobs!].every(Number.isFinite), `${loss} ${gradient.logprobs}`)
})

test('a ratio and a divergence grow up to e^60 and no further', async () => {
  const of = { ...DATA, logprobs: [0, 0, 0, 0, 0, 0], advantage: [-1, -1, -1, -1, -1, -1] }
  const far = { ...of, old: [-61, -61, -59, -61, -61, -200], reference: [0, 0, 0, 0, 0, 0] }
  const { loss } = await run('policy-clip', { ...SETTINGS, k3: 0 }, far)
  const expected = [60, 60, 59, 60, 60, 60].map((gap) => Math.exp(gap))
  assertClose(loss, expected, 1e-5, 'ratio')
  const apart = { ...of, advantage: [0, 0, 0, 0, 0, 0], old: of.logprobs, reference: [61, 61, 59, 61, 61, 200] }
  const divergent = await run('policy-clip', { ...SETTINGS, k3: 1 }, apart)
  assertClose(divergent.loss, expected, 1e-5, 'divergence')
})

/** The loss of each token, and the gradient of Σ weight·loss, from the graph. */
async function run(
  name: LossName,
  settings: Record<string, number>,
  of: Record<string, number[]> = DATA,
  weights = ROWS.map(() => 1),
) {
  const g = new Graph()
  const M = ROWS.length
  const B = new Set(ROWS).size
  const inputs: Record<string, Value> = {}
  const column = (name: string, data = of[name]!): Tensor => {
    inputs[name] = { type: 'float32', shape: [M], data }
    return g.input(name, 'float32', [M])
  }
  const rows = g.input('rows', 'int64', [M])
  inputs.rows = { type: 'int64', shape: [M], data: ROWS }
  g.nameDimension('M', () => g.sizeOf(rows, 0))
  g.nameDimension('B', () => g.ints([B]))
  const logprobs = column('logprobs')
  let values: Tensor | undefined
  const loss = LOSSES[name]({
    g,
    logprobs,
    values: () => (values = column('values')),
    perToken: (name) => column(name),
    setting: (name) => {
      inputs[name] = { type: 'float32', shape: [], data: [settings[name]!] }
      return g.input(name, 'float32', [])
    },
    rowMean: (x) => rowMean(g, x, rows),
  })
  g.output('loss', loss)
  const wrt = { logprobs, ...(values && { values }) }
  const total = g.sumAll(g.mul(loss, column('weights', weights)))
  gradients(g, total, Object.values(wrt)).forEach((tensor, i) => g.output(`by ${Object.keys(wrt)[i]}`, tensor))
  const results = await runGraph(g, inputs)
  const gradient = Object.fromEntries(Object.keys(wrt).map((name) => [name, results[`by ${name}`]!]))
  return { loss: results.loss!, gradient: gradient as Partial<Record<'logprobs' | 'values', number[]>> }
}

/** d Σ weight·loss / d each entry, by central differences in double precision. */
function differences(
  wrt: 'logprobs' | 'values',
  settings: Record<string, number>,
  expected: Expected,
  of: Record<string, number[]> = DATA,
  weights = ROWS.map(() => 1),
): number[] {
  const step = 1e-6
  return of[wrt]!.map((x, i) => {
    const total = (value: number) =>
      expected({ ...of, [wrt]: of[wrt]!.with(i, value) }, settings).reduce((sum, l, t) => sum + weights[t]! * l, 0)
    return (total(x + step) - total(x - step)) / (2 * step)
  })
}
