import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  memoryEstimate,
  planMemory,
  unboundedPlan,
  type MemoryNeeds,
} from '../../../src/gpu-worker/algorithms/memory-plan.ts'
import { peakMemory } from '../../../src/gpu-worker/graph/peak-memory.ts'
import { modelFromConfig } from '../../../src/gpu-worker/models/index.ts'
import { decodeGraph } from '../../../src/gpu-worker/rollout/decode-graph.ts'
import { withLora } from '../../../src/gpu-worker/training/lora.ts'
import { prefixSizes } from '../../../src/gpu-worker/training/prefix-groups.ts'
import { gradientGraph, logprobGraph } from '../../../src/gpu-worker/training/training-graph.ts'

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
  scorers: 1,
  rollouts: { newTokens: 128, completions: 64, reference: 'whole' },
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
    const none = memoryEstimate({ ...GRPO, scorers: 0, rollouts: { ...GRPO.rollouts!, reference: 'nothing' } })(plan)
    assert.deepEqual([none.scoring, none.reference], [0, 0])
  })
})

describe('memoryEstimate of passes', () => {
  /** What the allocator holds beside what is in use. */
  const HELD = 13 / 12
  const near = (value: number, expected: number) =>
    assert.ok(Math.abs(value / expected - 1) < 1e-9, `${value} ${expected}`)

  test('of supervised rows: two of the longest, as texts by themselves or in one group', () => {
    const { passes, scoring, sampling, reference } = memoryEstimate(SFT)({ recompute: 'cheap', microBatchTokens: 1024, slots: 0 }) // prettier-ignore
    const peak = peakMemory(gradientGraph(model, 'cross-entropy', { maxTokens: 512, recompute: 'cheap' }))
    const shapes = [
      { ...prefixSizes({ Q: 2, P: 510, A: 1, S: 1 }), M: 1022 },
      { ...prefixSizes({ Q: 1, P: 1, A: 2, S: 511 }), M: 1022 },
    ]
    near(passes, HELD * Math.max(...shapes.map(peak)))
    assert.deepEqual([scoring, sampling, reference], [0, 0, 0])
  })

  test('of rollouts: of the longest texts and of those with hardly a prompt', () => {
    const two = { ...GRPO, scorers: 2 }
    const shapesOf: Record<number, Parameters<typeof prefixSizes>[0][]> = {
      // 512 tokens are 384 of prompt, 128 of completion; the one token before a completion belongs to it.
      1024: [
        { Q: 2, P: 510, A: 1, S: 1 },
        { Q: 1, P: 383, A: 5, S: 128 },
        { Q: 7, P: 127, A: 1, S: 1 },
        { Q: 1, P: 1, A: 7, S: 128 },
      ],
      512: [
        { Q: 1, P: 510, A: 1, S: 1 },
        { Q: 1, P: 383, A: 1, S: 128 },
        { Q: 3, P: 127, A: 1, S: 1 },
        { Q: 1, P: 1, A: 3, S: 128 },
      ],
    }
    const estimate = memoryEstimate(two)
    const forward = peakMemory(logprobGraph(model, { maxTokens: 512 }))
    for (const recompute of ['nothing', 'all'] as const) {
      const both = peakMemory(gradientGraph(model, 'policy-clip', { maxTokens: 512, recompute }))
      for (const [tokens, shapes] of Object.entries(shapesOf)) {
        const sizes = shapes.map((shape) => ({ ...prefixSizes(shape), M: Math.max(shape.Q, shape.A) * 128 }))
        const { passes, scoring } = estimate({ recompute, microBatchTokens: Number(tokens), slots: 1 })
        near(passes, HELD * Math.max(...sizes.map(both)))
        near(scoring, 2 * HELD * Math.max(...sizes.map(forward)))
      }
    }
  })

  test('of long completions: two with hardly a prompt, each by itself, are the most', () => {
    const long = { ...GRPO, rollouts: { ...GRPO.rollouts!, newTokens: 300 } }
    const { passes } = memoryEstimate(long)({ recompute: 'nothing', microBatchTokens: 602, slots: 1 })
    const peak = peakMemory(gradientGraph(model, 'policy-clip', { maxTokens: 512, recompute: 'nothing' }))
    near(passes, HELD * peak({ ...prefixSizes({ Q: 2, P: 299, A: 1, S: 1 }), M: 600 }))
  })

  test('of sampling: as many prompts as go into one run, then a token of every text', () => {
    const peak = peakMemory(decodeGraph(model, { capacity: 512, sample: true }))
    const of = (slots: number) => memoryEstimate(GRPO)({ recompute: 'all', microBatchTokens: 512, slots }).sampling
    near(of(8), HELD * peak({ B: 8, S: 384, R: 8 }))
    // 4096 tokens are ten prompts of 384.
    near(of(64), HELD * Math.max(peak({ B: 10, S: 384, R: 64 }), peak({ B: 64, S: 1, R: 64 })))
  })
})

describe('unboundedPlan', () => {
  test('takes what is set, each by itself, and as many texts at once as there are and a gigabyte holds', () => {
    assert.deepEqual(unboundedPlan(SFT, {}), { recompute: 'nothing', microBatchTokens: 4096, slots: 0 })
    assert.equal(unboundedPlan(SFT, { recompute: 'cheap' }).recompute, 'cheap')
    assert.equal(unboundedPlan(SFT, { microBatchTokens: 77 }).microBatchTokens, 77)
    assert.equal(unboundedPlan(GRPO, { slots: 3 }).slots, 3)
    const many = { ...GRPO, rollouts: { ...GRPO.rollouts!, completions: 1000 } }
    // 4 MiB a text.
    assert.equal(unboundedPlan(many, {}).slots, 256)
    assert.equal(planMemory(many, {}, 1e13).slots, 256)
  })
})

describe('planMemory at its edges', () => {
  const estimate = memoryEstimate(SFT)
  const supervised = (recompute: 'nothing' | 'cheap' | 'all', microBatchTokens: number) =>
    Object.values(estimate({ recompute, microBatchTokens, slots: 0 })).reduce((a, b) => a + b)
  const planned = (budget: number) => {
    const { recompute, microBatchTokens } = planMemory(SFT, {}, budget)
    return [recompute, microBatchTokens]
  }

  test('computes nothing again as soon as 1024 tokens a pass fit, and no more than it must before', () => {
    assert.deepEqual(planned(supervised('nothing', 1024)), ['nothing', 1024])
    assert.deepEqual(planned(supervised('nothing', 1024) - 1), ['cheap', 1536])
    assert.deepEqual(planned(supervised('cheap', 1024)), ['cheap', 1024])
    assert.deepEqual(planned(supervised('cheap', 1024) - 1), ['all', 1024])
    assert.deepEqual(planned(supervised('all', 512)), ['all', 512])
  })

  test('one row a pass is the most where it is longer than a pass is otherwise', () => {
    const long = { ...SFT, maxTokens: 5000 }
    const { recompute, microBatchTokens } = planMemory(long, {}, 1e14)
    assert.deepEqual([recompute, microBatchTokens], ['nothing', 5000])
  })

  test('a row may be as long as a pass is enough', () => {
    const { recompute, microBatchTokens } = planMemory({ ...SFT, maxTokens: 300 }, {}, 1e12)
    assert.deepEqual([recompute, microBatchTokens], ['nothing', 3900])
  })

  test('texts under way may take a quarter of what the smallest plan leaves, beside the one that it has', () => {
    const least = total(GRPO, { recompute: 'all', microBatchTokens: 512, slots: 1 })
    const cache = 4 * 512 * 2 * 4 * 4 * 64
    assert.equal(planMemory(GRPO, {}, least + 4 * 10 * cache + 1000).slots, 11)
    assert.equal(planMemory(GRPO, {}, least + 4 * 10 * cache - 1000).slots, 10)
    assert.equal(planMemory(GRPO, { slots: 3 }, 1e12).slots, 3)
    assert.equal(planMemory(SFT, {}, 1e12).slots, 0)
  })

  test('what is set is tried with less computed again first, and is all that is tried', () => {
    const budget = supervised('cheap', 1024)
    const { recompute, microBatchTokens } = planMemory(SFT, { microBatchTokens: 1024 }, budget)
    assert.deepEqual([recompute, microBatchTokens], ['cheap', 1024])
    const { microBatchTokens: tokens } = planMemory(SFT, { recompute: 'all' }, supervised('all', 1536))
    assert.equal(tokens, 1536)
  })
})

describe('what does not fit', () => {
  const refused = (needs: MemoryNeeds, set: Parameters<typeof planMemory>[1], budget: number): string => {
    try {
      planMemory(needs, set, budget)
    } catch (error) {
      return (error as Error).message
    }
    throw new Error('it fits')
  }
  const parts = (message: string) => /\((process[^)]*)\)/.exec(message)![1]!.replace(/passes \d+/, 'passes n')
  const remedies = (message: string) => /To make it fit, (.*)\.$/.exec(message)![1]
  const LAST = 'give it a larger budget on a larger machine'

  test('is told in whole megabytes, rounded up, and by what takes them', () => {
    const message = refused(SFT, {}, 300_000_001)
    assert.match(message, /^the memory budget is 301 MB .* with recompute all and 512 tokens a pass \(/)
    // 13,636,096 parameters.
    assert.equal(parts(message), 'process 200, weights 55, gradients 55, moments 110, passes n')
    const exact = total(SFT, { recompute: 'all', microBatchTokens: 512, slots: 0 })
    assert.ok(message.includes(`about ${Math.ceil(exact / 1e6)} MB at the least`), message)
    assert.deepEqual(parts(refused(GRPO, {}, 3e8)).replace(/\d+/g, '').split(' , '), [
      'process', 'weights', 'gradients', 'moments', 'reference', 'cache', 'sampling', 'scoring', 'passes n',
    ]) // prettier-ignore
  })

  test('a row that is longer than the pass that is set is what a pass takes', () => {
    assert.match(refused(SFT, { microBatchTokens: 100 }, 3e8), /with recompute all and 512 tokens a pass/)
  })

  test('comes with the remedies that are left, and no others', () => {
    assert.equal(remedies(refused(SFT, {}, 3e8)), `train adapters alone (lora), or lower max_tokens, or ${LAST}`)
    assert.equal(
      remedies(refused(GRPO, { recompute: 'all' }, 3e8)),
      `train adapters alone (lora), or lower max_prompt_tokens or max_new_tokens, or ${LAST}`,
    )
    const adapted = { ...SFT, model: withLora(model, { rank: 4, alpha: 8, targets: ['q_proj'] }) }
    assert.equal(
      remedies(refused(adapted, { recompute: 'cheap' }, 2e8)),
      `leave recompute out, or lower max_tokens, or ${LAST}`,
    )
    assert.equal(
      remedies(refused(adapted, { microBatchTokens: 4096 }, 2e8)),
      `leave micro_batch_tokens out, or lower max_tokens, or ${LAST}`,
    )
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
