/**
 * The whole way from scored rollouts to updated weights, held against TRL's trainer and verl's losses on the same model and
 * rollouts, update by update (test/python/policy_updates.py): presets, masks, minibatches, epochs, KL, clips, AdamW.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { actorCriticRows, groupRelativeRows } from '../../../src/core/rl/policy-rows.ts'
import { grpoSpec } from '../../../src/core/schemas/grpo.ts'
import { parse } from '../../../src/core/schemas/parse.ts'
import { ppoSpec } from '../../../src/core/schemas/ppo.ts'
import { actorCriticObjective, groupRelativeObjective } from '../../../src/gpu-worker/algorithms/policy-objective.ts'
import type { Reference } from '../../../src/gpu-worker/algorithms/reference.ts'
import type { Rollout } from '../../../src/gpu-worker/algorithms/roll-out.ts'
import { scoreRollouts } from '../../../src/gpu-worker/algorithms/score-rollouts.ts'
import type { AnswerLimits } from '../../../src/gpu-worker/algorithms/token-limits.ts'
import { updatePolicy, type UpdateOptions, type Updates } from '../../../src/gpu-worker/algorithms/update-policy.ts'
import type { LossName } from '../../../src/gpu-worker/losses/index.ts'
import type { Weights } from '../../../src/gpu-worker/models/weights.ts'
import { PolicyScorer } from '../../../src/gpu-worker/training/policy-scorer.ts'
import { Trainer } from '../../../src/gpu-worker/training/trainer.ts'
import { withValueHead } from '../../../src/gpu-worker/training/value-head.ts'
import { assertClose } from '../../helpers/close.ts'
import { fixtureModel } from '../../helpers/fixture-model.ts'

interface Case {
  config: Record<string, number | string | boolean>
  /** For each epoch: in which order the rows that teach are cut into updates, and the updates. */
  parts: { order: number[]; rows: number[][] }[]
  rewards: (number | null)[]
  old: number[][]
  reference?: number[][]
  sampler?: number[][]
  losses: number[]
  gradient_norms: number[]
  means: Partial<Updates>
  /** Of each parameter: Σ|change| and Σ change. */
  moved: Record<string, [number, number]>
  head?: [weight: number[], bias: number[]]
  head_after?: [weight: number[], bias: number[]]
}
interface Peers {
  model: string
  group_size: number
  max_tokens: number
  temperature: number
  optimizer: { learning_rate: number; adam_epsilon: number; clip_norm: number; beta1: number; beta2: number }
  prompts: number[][]
  completions: number[][]
  truncated: boolean[]
  cases: Record<string, Case>
}
const PEERS = JSON.parse(readFileSync(new URL('../../fixtures/rl/updates.json', import.meta.url), 'utf8')) as Peers

/** The config of a job that asks for the case's, with the defaults of the API. */
function configOf(schema: typeof grpoSpec | typeof ppoSpec, { config, parts }: Case) {
  const { learning_rate, adam_epsilon, clip_norm, beta1, beta2 } = PEERS.optimizer
  return parse(
    schema,
    {
      type: schema === ppoSpec ? 'ppo' : 'grpo',
      model: 'model',
      data: { labelled: 'rows' },
      reward: 'recipe',
      config: {
        ...{ learning_rate, adam_epsilon, clip_norm, beta1, beta2, weight_decay: 0, seed: 1, steps: 1 },
        ...{ temperature: PEERS.temperature, max_new_tokens: PEERS.max_tokens, group_size: PEERS.group_size },
        epochs: parts.length,
        minibatches: parts[0]!.rows.length,
        ...config,
      },
    },
    'spec',
  ).config
}

/** A model of the fixtures, with the case's value head where it has one. */
function openModel({ head }: Case) {
  const { model, weights } = fixtureModel(PEERS.model)
  if (!head) return { model, weights }
  const [weight, bias] = head.map((data) => Float32Array.from(data))
  const values: Weights = new Map([
    ['value_head.weight', { shape: [1, weight!.length], data: weight! }],
    ['value_head.bias', { shape: [1], data: bias! }],
  ])
  return { model: withValueHead(model), weights: new Map([...weights, ...values]) }
}

/** Updates by our own code; the sampler's and the reference's log-probabilities are the case's. */
async function run(of: Case, loss: LossName, config: GrpoConfig | PpoConfig, { rowsOf, ...how }: How) {
  const { model, weights } = openModel(of)
  const before = new Map([...weights].map(([name, { data }]) => [name, data.slice()]))
  const rollouts = PEERS.completions.map((ids, i): Rollout => {
    const logprobs = (of.sampler ?? of.old)[i]!
    const prompt = { ids: PEERS.prompts[Math.floor(i / PEERS.group_size)]!, role: 'labelled', line: i + 1 }
    const completion = { ids, logprobs, finish: PEERS.truncated[i] ? 'length' : 'stop' }
    return { prompt, completion, score: of.rewards[i] } as unknown as Rollout
  })
  const asksPolicy = model.valueHead !== undefined || config.importance_cap > 0
  const policy = asksPolicy ? await PolicyScorer.create({ model, weights }, 32, { threads: 1 }) : null
  const reference = of.reference && {
    scorer: { score: async () => ({ logprobs: of.reference!.map((row) => Float32Array.from(row)), values: [] }) },
  }
  const asked = { policy, reference: config.kl_coefficient ? (reference as unknown as Reference) : null }
  const scored = await scoreRollouts(rollouts, asked, config, { microBatchTokens: 64 })
  const optimizer = { beta1: config.beta1, beta2: config.beta2, epsilon: config.adam_epsilon, weightDecay: 0, clipNorm: config.clip_norm } // prettier-ignore
  const trainer = await Trainer.create(model, weights, { loss, optimizer, maxTokens: 32, threads: 1 })
  const step = trainer.step.bind(trainer)
  const norms: number[] = []
  trainer.step = async (rate) => {
    const { gradientNorm } = await step(rate)
    norms.push(gradientNorm)
    return { gradientNorm }
  }
  const order = (count: number, { epoch }: { epoch: number }) => {
    assert.equal(count, of.parts[epoch]!.order.length, 'so many rows teach')
    return of.parts[epoch]!.order
  }
  const updates = await updatePolicy(trainer, rowsOf(scored), { step: 1, config, microBatchTokens: 64, order, ...how })
  const moved = Object.fromEntries(
    [...before].map(([name, data]) => [name, data.map((x, i) => weights.get(name)!.data[i]! - x)]),
  )
  return { updates, norms, moved }
}
type GrpoConfig = ReturnType<typeof parse<typeof grpoSpec>>['config'] & AnswerLimits
type PpoConfig = ReturnType<typeof parse<typeof ppoSpec>>['config'] & AnswerLimits
interface How extends Pick<UpdateOptions, 'objective' | 'learningRate'> {
  rowsOf(scored: Awaited<ReturnType<typeof scoreRollouts>>): Parameters<typeof updatePolicy>[1]
}

function runGrpo(of: Case) {
  const config = configOf(grpoSpec, of) as GrpoConfig
  return run(of, config.clip === 'objective' ? 'policy-clip' : 'policy-weight', config, {
    rowsOf: (scored) => groupRelativeRows(scored, config, config.kl_coefficient),
    objective: groupRelativeObjective(config, config.kl_coefficient),
    learningRate: config.learning_rate,
  })
}

function runPpo(of: Case) {
  const config = configOf(ppoSpec, of) as PpoConfig
  return run(of, 'policy-value', config, {
    rowsOf: (scored) =>
      actorCriticRows(scored as ((typeof scored)[number] & { score: number })[], config, config.kl_coefficient),
    objective: actorCriticObjective(config),
    learningRate: (name) => (name.startsWith('value_head') ? config.value_learning_rate : config.learning_rate),
  })
}

const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b) / numbers.length
const sum = (data: Float32Array) => data.reduce((a, b) => a + b, 0)
const length = (data: Float32Array) => data.reduce((a, b) => a + Math.abs(b), 0)

describe('updates are those of TRL and verl', () => {
  for (const [name, of] of Object.entries(PEERS.cases)) {
    test(name, async () => {
      const { updates, norms, moved } = await (name.startsWith('ppo') ? runPpo : runGrpo)(of)
      assert.equal(updates.updates, of.losses.length)
      assertClose(norms, of.gradient_norms, 1e-3, 'gradient norm')
      assertClose([updates.loss], [mean(of.losses)], 1e-4, 'loss')
      assertClose([updates.gradient_norm], [mean(of.gradient_norms)], 1e-3, 'mean gradient norm')
      for (const [what, expected] of Object.entries(of.means)) {
        assertClose([updates[what as keyof Updates]], [expected], 1e-4, what)
      }
      const heads = Object.entries({ 'value_head.weight': 0, 'value_head.bias': 1 }).flatMap(([parameter, at]) =>
        of.head ? [[parameter, of.head_after![at]!.map((x, i) => x - of.head![at]![i]!)] as const] : [],
      )
      assert.deepEqual(Object.keys(moved).sort(), [...Object.keys(of.moved), ...heads.map(([p]) => p)].sort())
      for (const [parameter, [far, net]] of Object.entries(of.moved)) {
        assertClose([length(moved[parameter]!) / far], [1], 1e-3, `how far ${parameter} moved`)
        assert.ok(Math.abs(sum(moved[parameter]!) - net) <= 1e-3 * far, `which way ${parameter} moved`)
      }
      for (const [parameter, expected] of heads) assertClose(moved[parameter]!, expected, 1e-4, parameter)
    })
  }
})

describe('updates that diverge stop the run and name the prompts they were made of', () => {
  const { model, weights } = fixtureModel('llama')
  const optimizer = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, clipNorm: 1 }
  const config = { seed: 1, epochs: 1, minibatches: 1, temperature: 1 }
  const objective = groupRelativeObjective(
    configOf(grpoSpec, PEERS.cases[Object.keys(PEERS.cases)[0]!]!) as GrpoConfig,
    0,
  )
  /** Of one token each, from lines 3 and 7. */
  const update = async (...rows: { weight: number; advantage: number }[]) => {
    const trainer = await Trainer.create(model, weights, { loss: 'policy-clip', optimizer, maxTokens: 32, threads: 1 })
    const of = rows.map(({ weight, advantage }, i) => ({
      weight,
      advantage_T: Float64Array.of(advantage),
      rollout: {
        prompt: { role: i ? 'unlabelled' : 'labelled', line: i ? 7 : 3 },
        ...{ row: { ids: [5 + i, 9, 33], start: 2 }, old_T: [-5], reference_T: [-5], values_T: [] },
      },
    }))
    return updatePolicy(trainer, of, { step: 4, config, microBatchTokens: 3, objective, learningRate: 0 })
  }
  const sound = { weight: 0.5, advantage: 1 }

  test('by the loss: those whose part of it is no number', async () => {
    await assert.rejects(update(sound, { weight: 0.5, advantage: NaN }), {
      code: 'diverged',
      message: /^step 4: loss is NaN, from unlabelled, line 7\. /,
    })
  })

  test('by the gradient of a loss that is still a number: all of the update', async () => {
    await assert.rejects(update(sound, { weight: 1e30, advantage: 1 }), {
      code: 'diverged',
      message: /^step 4: gradientNorm is (NaN|Infinity), from labelled, line 3; unlabelled, line 7\. /,
    })
  })
})
