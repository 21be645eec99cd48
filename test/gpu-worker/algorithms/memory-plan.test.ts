import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  memoryEstimate,
  planMemory,
  unboundedPlan,
  type MemoryNeeds,
} from '../../../src/gpu-worker/algorithms/memory-plan.ts'
import { modelFromConfig } from '../../../src/gpu-worker/models/index.ts'
import { withLora } from '../../../src/gpu-worker/training/lora.ts'

/** Of 13.6 million parameters: 55 MB. Nothing is loaded. */
const model = modelFromConfig({
  model_type: 'llama',
  vocab_size: 8192,
  hidden_size: 512,
  intermediate_size: 1024,
  num_hidden_layers: 4,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  max_position_embeddings: 1024,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
})
const SFT: MemoryNeeds = { model, loss: 'cross-entropy', maxTokens: 512 }
const GRPO: MemoryNeeds = {
  model,
  loss: 'policy-clip',
  maxTokens: 512,
  rollouts: { newTokens: 128, completions: 64, scorers: 1, reference: 'whole' },
}
const total = (needs: MemoryNeeds, plan: Parameters<ReturnType<typeof memoryEstimate>>[0]) =>
  Object.values(memoryEstimate(needs)(plan)).reduce((a, b) => a + b)

describe('memoryEstimate', () => {
  const plan = { recompute: 'all', microBatchTokens: 512, slots: 8 } as const

  test('counts weights, gradients, moments, reference and cache to the byte', () => {
    const attention = 2 * 512 * 512 + 2 * 256 * 512
    const bytes = 4 * (8192 * 512 + 4 * (attention + 3 * 1024 * 512 + 2 * 512) + 512)
    const { weights, gradients, moments, reference, cache, merging } = memoryEstimate(GRPO)(plan)
    assert.deepEqual([weights, gradients, moments, reference, merging], [bytes, bytes, 2 * bytes, bytes, 0])
    // 8 texts of 512 tokens: keys and values of 4 layers × 4 heads × 64.
    assert.equal(cache, 4 * 8 * 512 * 2 * 4 * 4 * 64)
  })

  test('of adapters: gradients and moments of them alone, and the merged projections at the end', () => {
    const adapted = withLora(model, { rank: 4, alpha: 8, targets: ['q_proj'] })
    const parts = memoryEstimate({ ...SFT, model: adapted })(plan)
    assert.equal(parts.gradients, 4 * 4 * 4 * (512 + 512))
    assert.equal(parts.moments, 2 * parts.gradients)
    assert.equal(parts.merging, 4 * 4 * 512 * 512)
  })

  test('of rollouts: a scorer takes a forward pass, a longer cache a larger prefill', () => {
    const { scoring, passes, sampling } = memoryEstimate(GRPO)(plan)
    assert.ok(scoring > 0 && scoring < passes && sampling > 0)
    const none = memoryEstimate({ ...GRPO, rollouts: { ...GRPO.rollouts!, scorers: 0, reference: 'nothing' } })(plan)
    assert.deepEqual([none.scoring, none.reference], [0, 0])
  })
})

describe('planMemory', () => {
  test('with plenty: nothing computed again, the largest pass, all the answers at once', () => {
    const { bytes, ...plan } = planMemory(GRPO, {}, 1e12)
    assert.deepEqual(plan, { recompute: 'nothing', microBatchTokens: 4096, slots: 64 })
    assert.deepEqual(plan, unboundedPlan(GRPO, {}))
    assert.equal(bytes, total(GRPO, plan))
  })

  for (const [name, needs] of Object.entries({ SFT, GRPO }))
    test(`${name}: fits every budget that it does not refuse, with no less for more`, () => {
      const least = total(needs, { recompute: 'all', microBatchTokens: 512, slots: needs.rollouts ? 1 : 0 })
      const order = ['all', 'cheap', 'nothing']
      const chosen = [1, 1.1, 1.3, 1.6, 2, 3, 5].map((factor) => {
        const plan = planMemory(needs, {}, factor * least)
        assert.equal(plan.bytes, total(needs, plan))
        assert.ok(plan.bytes <= factor * least)
        return plan
      })
      assert.equal(chosen[0]!.recompute, 'all')
      assert.equal(chosen[0]!.microBatchTokens, 512)
      chosen.slice(1).forEach((plan, i) => {
        const before = chosen[i]!
        assert.ok(order.indexOf(plan.recompute) >= order.indexOf(before.recompute))
        if (plan.recompute === before.recompute) assert.ok(plan.microBatchTokens >= before.microBatchTokens)
      })
      assert.equal(chosen.at(-1)!.recompute, 'nothing')
      assert.throws(() => planMemory(needs, {}, least - 1), { code: 'unavailable_here' })
    })

  test('what is set is kept, and refused where it cannot be', () => {
    const plan = planMemory(SFT, { recompute: 'nothing' }, 600e6)
    assert.equal(plan.recompute, 'nothing')
    assert.equal(planMemory(SFT, { microBatchTokens: 1000 }, 1e12).microBatchTokens, 1000)
    assert.throws(() => planMemory(SFT, { microBatchTokens: 4096, recompute: 'nothing' }, 600e6), {
      code: 'unavailable_here',
      param: 'config.memory_budget_mb',
      message:
        /^the memory budget is 600 MB \(memory_budget_mb, or the worker's GAVEL_MEMORY_MB\), but this job takes about \d+ MB at the least: with recompute nothing and 4096 tokens a pass \(process 200, weights 55, .*passes \d+\)\. To make it fit, leave micro_batch_tokens out, or leave recompute out, or train adapters alone \(lora\), or lower max_tokens, or /,
    })
  })
})
