/** Losses, gradients and what leads to them, held against TRL's and verl's numbers (test/fixtures/rl/make.py). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { ADVANTAGES, type AdvantageName } from '../../../src/core/rl/advantages.ts'
import { AGGREGATES, type AggregateName } from '../../../src/core/rl/aggregates.ts'
import { gae } from '../../../src/core/rl/gae.ts'
import { importanceWeights } from '../../../src/core/rl/importance-weights.ts'
import { adaptedCoefficient, KL_ESTIMATORS, type KlEstimatorName } from '../../../src/core/rl/kl.ts'
import { PRESETS, type PolicyChoices } from '../../../src/core/rl/presets.ts'
import { whitened } from '../../../src/core/rl/whitened.ts'
import { policySettings } from '../../../src/gpu-worker/algorithms/policy-objective.ts'
import { gradients } from '../../../src/gpu-worker/graph/autodiff.ts'
import { Graph } from '../../../src/gpu-worker/graph/graph.ts'
import { LOSSES, type LossName } from '../../../src/gpu-worker/losses/index.ts'
import { rowMean } from '../../../src/gpu-worker/losses/row-mean.ts'
import { assertClose } from '../../helpers/close.ts'
import { runGraph, type Value } from '../../helpers/run-graph.ts'

type Rows = number[][]
interface Numbers {
  given: Record<'logprobs' | 'old' | 'reference' | 'sampler' | 'values' | 'new_values' | 'token_rewards', Rows> & {
    lengths: number[]
    group_size: number
    max_tokens: number
    rewards: number[]
    cap: number
    advantages: number[]
  }
  losses: Record<string, { loss: number; gradient: Rows }>
  importance: Rows
  aggregates: Record<AggregateName, number>
  kl: Record<KlEstimatorName, Rows>
  steered: number[]
  advantages: Record<string, number[] | Rows>
  gae: { gamma: number; lambda: number; whitened: Rows; returns: Rows }
  value_loss: { clip: number; loss: number }
}
const PEERS = JSON.parse(readFileSync(new URL('../../fixtures/rl/numbers.json', import.meta.url), 'utf8')) as Numbers
const { given } = PEERS

const GRAPHS = { objective: 'policy-clip', weight: 'policy-weight' } as const

/** Loss and gradient by log-probabilities of Σ weight·loss over the given batch, by the graph that training runs. */
async function run(
  loss: LossName,
  aggregate: AggregateName,
  settings: Record<string, number>,
  perToken: Record<string, Rows> = {},
) {
  const M = given.lengths.reduce((a, b) => a + b, 0)
  const g = new Graph()
  const inputs: Record<string, Value> = {}
  const column = (name: string, rows: Rows) => {
    inputs[name] = { type: 'float32', shape: [M], data: rows.flat() }
    return g.input(name, 'float32', [M])
  }
  const columns: Record<string, Rows> = {
    old: given.old,
    reference: given.reference,
    advantage: given.lengths.map((n, i) => Array<number>(n).fill(given.advantages[i]!)),
    ...perToken,
  }
  inputs.rows = { type: 'int64', shape: [M], data: given.lengths.flatMap((n, i) => Array<number>(n).fill(i)) }
  const rows = g.input('rows', 'int64', [M])
  g.nameDimension('B', () => g.ints([given.lengths.length]))
  const logprobs = column('logprobs', given.logprobs)
  const tokens = LOSSES[loss]({
    g,
    logprobs,
    values: () => column('values', given.new_values),
    perToken: (name) => column(name, columns[name]!),
    setting: (name) => {
      inputs[name] = { type: 'float32', shape: [], data: [settings[name]!] }
      return g.input(name, 'float32', [])
    },
    rowMean: (x) => rowMean(g, x, rows),
  })
  const weights = AGGREGATES[aggregate](given.lengths, given.max_tokens)
  const total = g.sumAll(g.mul(tokens, column('weights', given.lengths.map((n, i) => Array<number>(n).fill(weights[i]!))))) // prettier-ignore
  g.output('total', total)
  g.output('gradient', gradients(g, total, [logprobs])[0]!)
  const results = await runGraph(g, inputs)
  return { loss: results.total![0]!, gradient: results.gradient! }
}

const trainingWith = (choices: PolicyChoices & { dual_clip?: number }, kl: number, perToken?: Record<string, Rows>) =>
  run(
    GRAPHS[choices.clip],
    choices.aggregate,
    policySettings({ dual_clip: 0, ...choices }, kl ? { estimator: choices.kl_estimator, coefficient: kl } : null),
    perToken,
  )

describe('losses and their gradients', () => {
  const CASES: Record<string, () => ReturnType<typeof run>> = {
    grpo: () => trainingWith(PRESETS.grpo, 0),
    'grpo with KL': () => trainingWith(PRESETS.grpo, 0.3),
    dr_grpo: () => trainingWith(PRESETS.dr_grpo, 0),
    dapo: () => trainingWith(PRESETS.dapo, 0),
    'dapo, importance': () =>
      trainingWith(PRESETS.dapo, 0, {
        advantage: given.old.map((row, i) => [
          ...importanceWeights(row, given.sampler[i]!, given.cap).map((weight) => weight * given.advantages[i]!),
        ]),
      }),
    // Bounds that this batch meets on both sides.
    gspo: () => trainingWith({ ...PRESETS.gspo, clip_low: 0.03, clip_high: 0.04 }, 0),
    cispo: () => trainingWith({ ...PRESETS.cispo, clip_high: 0.3 }, 0),
    'cispo, both bounds': () => trainingWith({ ...PRESETS.cispo, clip_low: 0.2, clip_high: 0.2 }, 0),
    'rloo, on policy': () => trainingWith(PRESETS.rloo, 0, { old: given.logprobs }),
    'dual clip': () => trainingWith({ ...PRESETS.dapo, clip_high: 0.2, dual_clip: 1.15 }, 0),
  }

  test('there is a case for each', () => assert.deepEqual(Object.keys(CASES).sort(), Object.keys(PEERS.losses).sort()))

  for (const [name, ours] of Object.entries(CASES)) {
    test(name, async () => {
      const { loss, gradient } = await ours()
      const peer = PEERS.losses[name]!
      // TRL's RLOO has one ratio a sequence: on the policy that sampled the gradient is ours, the value is not.
      if (name !== 'rloo, on policy') assertClose([loss], [peer.loss], 1e-6, 'loss')
      assertClose(gradient, peer.gradient.flat(), 1e-6, 'gradient')
    })
  }
})

test('the value loss with its clip', async () => {
  const { clip, loss } = PEERS.value_loss
  // A policy loss of nothing: no advantage, no KL.
  const none = given.lengths.map((n) => Array<number>(n).fill(0))
  const ours = await run(
    'policy-value',
    'token_mean',
    { ...policySettings({ ...PRESETS.grpo, dual_clip: 0 }, null), value_weight: 1, value_clip: clip },
    { advantage: none, old_value: given.values, return: PEERS.gae.returns },
  )
  assertClose([ours.loss], [loss], 1e-6)
})

describe('numbers before the loss', () => {
  const near = (ours: ArrayLike<number>, theirs: readonly number[]) => assertClose(ours, theirs, 1e-9)

  test('advantages', () => {
    const rows = given.rewards.map((reward) => ({ reward, tokenRewards: [] as number[] }))
    const withKl = given.rewards.map((reward, i) => ({ reward, tokenRewards: given.token_rewards[i]! }))
    const options = { groupSize: given.group_size, epsilon: 1e-4 }
    for (const name of ['group', 'group_mean', 'leave_one_out'] satisfies AdvantageName[]) {
      near(ADVANTAGES[name](rows, options) as number[], PEERS.advantages[name] as number[])
    }
    near(ADVANTAGES.leave_one_out(withKl, options) as number[], PEERS.advantages['leave_one_out with KL'] as number[])
    ADVANTAGES.token_batch(withKl, options).forEach((row, i) =>
      near(row as Float64Array, (PEERS.advantages['token_batch with KL'] as Rows)[i]!),
    )
  })

  test('GAE, whitened, and the returns', () => {
    const estimates = given.token_rewards.map((tokens, i) => {
      const rewards = tokens.with(-1, tokens.at(-1)! + given.rewards[i]!)
      return gae(rewards, given.values[i]!, PEERS.gae)
    })
    estimates.forEach(({ returns }, i) => near(returns, PEERS.gae.returns[i]!))
    whitened(estimates.map((e) => e.advantages)).forEach((row, i) => near(row, PEERS.gae.whitened[i]!))
  })

  test('k1, k2, k3', () => {
    for (const [name, theirs] of Object.entries(PEERS.kl) as [KlEstimatorName, Rows][]) {
      near(given.old.flatMap((row, i) => row.map((x, t) => KL_ESTIMATORS[name](x, given.reference[i]![t]!))), theirs.flat()) // prettier-ignore
    }
  })

  test('truncated importance weights', () => {
    const ours = given.old.flatMap((row, i) => [...importanceWeights(row, given.sampler[i]!, given.cap)])
    near(ours, PEERS.importance.flat())
    assert.ok(ours.includes(given.cap) && ours.some((weight) => weight < given.cap))
  })

  test('ways to average', () => {
    for (const [name, theirs] of Object.entries(PEERS.aggregates) as [AggregateName, number][]) {
      const weights = AGGREGATES[name](given.lengths, given.max_tokens)
      const sum = given.new_values.reduce((all, row, i) => row.reduce((s, x) => s + weights[i]! * x, all), 0)
      // verl adds 1e-8 to a length before dividing by it.
      assertClose([sum], [theirs], 1e-7)
    }
  })

  test('a steered KL coefficient', () => {
    let coefficient = 0.1
    const ours = [0.2, 0.055, 0.01, 0.05].map(
      (kl) => (coefficient = adaptedCoefficient(coefficient, { kl, target: 0.05, episodes: 64, horizon: 1000 })),
    )
    near(ours, PEERS.steered)
  })
})
