import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { JudgeItem } from '../../../src/core/judges/template.ts'
import { planMemory } from '../../../src/gpu-worker/algorithms/memory-plan.ts'
import { openFolder } from '../../../src/gpu-worker/models/source.ts'
import { PolicyScorer } from '../../../src/gpu-worker/training/policy-scorer.ts'
import { runJob } from '../../helpers/run-job.ts'
import { byLength, job, MODEL, ROWS } from '../../helpers/small-jobs.ts'

const run = (spec: object, judge: (item: JudgeItem) => number, model = MODEL) =>
  runJob(spec, { model, rows: ROWS, judge })

/** Metrics of the training steps. */
const steps = ({ metrics }: Awaited<ReturnType<typeof run>>) => metrics.map(({ values }) => values)

describe('dynamic sampling', () => {
  test('gives up after its rounds where no group ever has spread, and goes on with the next step', async () => {
    const flat = await run(job('grpo', { algorithm: 'dapo', dynamic_sampling: 2 }), () => 0.5)
    for (const values of steps(flat)) {
      assert.equal(values.rollouts, 3 * 4 * 4, 'three rounds of four groups of four')
      assert.deepEqual([values.zero_spread_groups, values.updates, values.reward], [1, 0, 0.5])
    }
    // Labelled and unlabelled prompts are replaced by their like: 2 of each, in 3 rounds, of 2 steps.
    assert.deepEqual(flat.checkpoints.at(-1)!.state.cursors, {
      labelled: { epoch: 3, position: 0 },
      unlabelled: { epoch: 1, position: 5 },
    })
  })

  test('takes what no judge can tell apart for the same: it is counted, and nothing is learnt from it', async () => {
    // Three scores of one answer, apart by what the order of additions makes of float32.
    const noise = await run(job('grpo', {}), ({ answer }) => 0.5 + (answer!.length % 3) * 1e-7)
    for (const values of steps(noise)) {
      assert.deepEqual([values.zero_spread_groups, values.updates], [1, 0])
      assert.ok(values.noise_groups! > 0.5, `${values.noise_groups}`)
    }
    const told = await run(job('grpo', {}), ({ answer }) => 0.5 + (answer!.length % 3) * 1e-5)
    for (const values of steps(told)) assert.deepEqual([values.noise_groups, values.updates! > 0], [0, true])
  })

  test('replaces the groups without spread and only those; the same seed replaces them by the same', async () => {
    // Answers to one kind of prompt are all the same to the judge.
    const judge = (item: JudgeItem) => (/What is 2\d/.test(item.question!) ? 0.5 : byLength(item))
    const spec = job('grpo', { algorithm: 'dapo', overlong_mask: false, overlong_penalty: 0, dynamic_sampling: 1 })
    const first = await run(spec, judge)
    const [values] = steps(first)
    assert.equal(values!.rollouts, 4 * 4 + 2 * 4)
    assert.equal(values!.zero_spread_groups, 4 / 6)
    assert.equal(values!.updates, 1)
    const again = await run(spec, judge)
    assert.deepEqual([again.metrics, again.samples], [first.metrics, first.samples])
    assert.deepEqual(again.checkpoints[0]!.state, first.checkpoints[0]!.state)
  })
})

test('completions that were cut off are left out of the loss on request', async () => {
  const all = await run(job('grpo', { overlong_mask: false }), byLength)
  assert.ok(steps(all)[0]!.truncated! > 0.5, 'a model of noise seldom ends by itself')
  assert.equal(steps(all)[0]!.updates, 1)
  // No completion may be longer than one token, and none of those ends.
  const none = await run(job('grpo', { overlong_mask: true, max_new_tokens: 1, seed: 4 }), byLength)
  assert.deepEqual([steps(none)[0]!.truncated, steps(none)[0]!.updates], [1, 0])
})

test('coming close to the limit costs reward, which shows in what is learned, not in what is reported', async () => {
  // A model that ends its answers, sooner or later.
  const student = fileURLToPath(new URL('../../../demo/models/student', import.meta.url))
  const spec = (overlong_penalty: number) =>
    job('grpo', { overlong_penalty, overlong_buffer: 1, steps: 1, max_new_tokens: 40, temperature: 1.5 })
  const [plain, penalised] = [await run(spec(0), byLength, student), await run(spec(0.7), byLength, student)]
  assert.equal(steps(plain)[0]!.reward, steps(penalised)[0]!.reward)
  assert.notEqual(steps(plain)[0]!.gradient_norm, steps(penalised)[0]!.gradient_norm)
})

test('several passes in minibatches are as many updates; the mean of the minibatches is the batch', async () => {
  // Values that begin at 0 have a loss; nothing moves, so that all updates see the same policy.
  const still = { steps: 1, learning_rate: 0, value_learning_rate: 0 }
  const whole = steps(await run(job('ppo', { ...still, minibatches: 1, epochs: 1 }), byLength))[0]!
  const parts = steps(await run(job('ppo', { ...still, minibatches: 4, epochs: 2 }), byLength))[0]!
  assert.deepEqual([whole.updates, parts.updates], [1, 8])
  assert.ok(whole.loss! > 0.05, `${whole.loss}`)
  assert.ok(Math.abs(whole.loss! - parts.loss!) < 1e-5 * whole.loss!, `${whole.loss} and ${parts.loss}`)
})

describe('the KL to the reference', () => {
  const moving = { steps: 5, learning_rate: 3e-3, kl_coefficient: 0.1 }

  test('grows as the policy moves, and begins anew where the reference is reset', async () => {
    const kept = steps(await run(job('grpo', moving), byLength)).map(({ kl }) => kl!)
    assert.ok(kept[0]! < 1e-9 && kept[4]! > 1e-3, `${kept}`)
    const reset = steps(await run(job('grpo', { ...moving, reference_reset_every: 2 }), byLength)).map(({ kl }) => kl!)
    assert.ok(reset[1]! > 1e-4 && reset[2]! < 1e-9 && reset[3]! > 1e-4 && reset[4]! < 1e-9, `${reset}`)
  })

  test('is steered towards its target', async () => {
    const config = { ...moving, kl_target: 1e-6, kl_horizon: 16 }
    const coefficients = steps(await run(job('grpo', config), byLength)).map((v) => v.kl_coefficient!)
    // At first there is no divergence; then it is far above the target. A step is as many completions as the horizon.
    ;[0.1, 0.08, 0.096, 0.1152].forEach((expected, i) => assert.ok(Math.abs(coefficients[i]! - expected) < 1e-12, `${coefficients}`)) // prettier-ignore
  })
})

test("PPO's value head learns what answers are worth", async () => {
  const spec = job('ppo', { steps: 6, prompts_per_step: 8, group_size: 1, value_learning_rate: 2e-3 })
  const losses = steps(await run(spec, () => 0.8)).map((values) => values['value/loss']!)
  // At first everything is worth 0 and brings 0.8.
  assert.ok(losses[0]! > 0.05 && losses.at(-1)! < 0.01, `${losses}`)
})

describe('scorers of whole texts are opened, and planned for, only where a run asks them', () => {
  const fixed = { steps: 1, memory_budget_mb: 2000, micro_batch_tokens: 4096, recompute: 'nothing' }
  const { model } = openFolder(MODEL)
  const cases = [
    [{ importance_cap: 0, kl_coefficient: 0 }, 0],
    [{ importance_cap: 2, kl_coefficient: 0 }, 1],
    [{ importance_cap: 0, kl_coefficient: 0.1 }, 1],
    [{ importance_cap: 2, kl_coefficient: 0.1 }, 2],
  ] as const
  for (const [config, scorers] of cases) {
    test(`${JSON.stringify(config)}: ${scorers}`, async (t) => {
      const created = t.mock.method(PolicyScorer, 'create')
      const { events } = await run(job('grpo', { ...fixed, ...config }), byLength)
      assert.equal(created.mock.callCount(), scorers)
      const reference = config.kl_coefficient ? 'whole' : 'nothing'
      const rollouts = { newTokens: 6, completions: 16, reference } as const
      const needs = { model, loss: 'policy-clip', maxTokens: 38, scorers, rollouts } as const
      const { bytes } = planMemory(needs, { recompute: 'nothing', microBatchTokens: 4096 }, 2e9)
      assert.match(
        events.find((message) => message.startsWith('memory: '))!,
        new RegExp(`: about ${Math.ceil(bytes / 1e6)} of 2000 MB$`),
      )
    })
  }
})
