import { GavelError } from '../../core/errors.ts'
import { RECOMPUTE, type Recompute } from '../../core/schemas/training.ts'
import { peakMemory, type Sizes } from '../graph/peak-memory.ts'
import { elementCount } from '../graph/tensor.ts'
import type { LossName } from '../losses/index.ts'
import { trainedParameters, type Model } from '../models/model.ts'
import { decodeGraph } from '../rollout/decode-graph.ts'
import { prefillSizes } from '../rollout/generator.ts'
import { CACHE_BUDGET, cacheBytes, slotsWithin } from '../rollout/kv-cache.ts'
import { prefixSizes } from '../training/prefix-groups.ts'
import { gradientGraph, logprobGraph } from '../training/training-graph.ts'

/** What a run keeps in memory, apart from what a plan chooses. */
export interface MemoryNeeds {
  model: Model
  loss: LossName
  /** Longest row, in tokens. */
  maxTokens: number
  /** How many scorers of texts there are beside the trainer; none unless given. */
  scorers?: number
  rollouts?: {
    /** Longest completion, in tokens. */
    newTokens: number
    /** Completions of a step. */
    completions: number
    /** What of the model is held a second time, as the reference. */
    reference: 'nothing' | 'trained' | 'whole'
    /** Whether what is trained is held once more, as it was at its best. */
    best?: boolean
  }
}

/** What is chosen so that a run fits. */
export interface MemoryPlan {
  recompute: Recompute
  /** Most padded tokens of one pass. */
  microBatchTokens: number
  /** Completions under way at once; 0 where nothing is sampled. */
  slots: number
}

/** Where nobody says how much there is. More tokens a pass gain next to nothing. */
const MICRO_BATCH_TOKENS = 4096
/** With this many tokens a pass, computing less of them again gains more than further tokens would. */
const ENOUGH_TOKENS = 1024
/** Share of the free memory that the keys and values of texts under way may take. */
const CACHE_SHARE = 0.25

/** Node with this program, ONNX Runtime and the plans of its sessions. Measured: 165 MB, and a tokenizer. */
const PROCESS_BYTES = 200e6
/** ONNX Runtime's allocator holds more than what is in use, in pieces that nothing fits. Measured: up to a tenth. */
const CRACKS = 1 / 12

/** What is planned where there is no budget. */
export const unboundedPlan = (needs: MemoryNeeds, set: Partial<MemoryPlan>): MemoryPlan => ({
  recompute: set.recompute ?? 'nothing',
  microBatchTokens: set.microBatchTokens ?? MICRO_BATCH_TOKENS,
  slots: set.slots ?? slotsOf(needs),
})

/**
 * The plan with the fastest steps that fits `budget` bytes: computing again as little as leaves room for enough tokens a
 * pass, and then as many tokens as there is room for. What is `set` is left as it is.
 * Throws `unavailable_here` where no plan fits, saying what the smallest would take.
 */
export function planMemory(
  needs: MemoryNeeds,
  set: Partial<MemoryPlan>,
  budget: number,
): MemoryPlan & { bytes: number } {
  const estimate = memoryEstimate(needs)
  const bytesOf = (plan: MemoryPlan) => total(estimate(plan))
  const smallest = smallestPlan(needs, set)
  const least = bytesOf(smallest)
  if (least > budget) throw refusal(needs, set, { smallest, parts: estimate(smallest), budget })

  const slots = set.slots ?? slotsOf(needs, CACHE_SHARE * (budget - least) + cacheBytes(needs.model, needs.maxTokens))
  const most = Math.max(1, Math.floor(MICRO_BATCH_TOKENS / needs.maxTokens))
  let best: MemoryPlan = smallest
  for (const recompute of set.recompute ? [set.recompute] : RECOMPUTE) {
    const planOf = (rows: number): MemoryPlan => ({
      recompute,
      microBatchTokens: set.microBatchTokens ?? rows * needs.maxTokens,
      slots,
    })
    const rows = set.microBatchTokens ? 1 : largest(most, (rows) => bytesOf(planOf(rows)) <= budget)
    const plan = planOf(rows)
    if (rows === 0 || bytesOf(plan) > budget) continue
    best = plan
    if (set.microBatchTokens || plan.microBatchTokens >= ENOUGH_TOKENS || rows === most) break
  }
  return { ...best, bytes: bytesOf(best) }
}

/** Largest n in 1..most that fits, where all below a fitting one do, too; 0 where none does. */
function largest(most: number, fits: (n: number) => boolean): number {
  let [below, above] = [0, most + 1]
  while (above - below > 1) {
    const middle = (below + above) >> 1
    if (fits(middle)) below = middle
    else above = middle
  }
  return below
}

const smallestPlan = ({ maxTokens, rollouts }: MemoryNeeds, set: Partial<MemoryPlan>): MemoryPlan => ({
  recompute: set.recompute ?? 'all',
  microBatchTokens: set.microBatchTokens ?? maxTokens,
  slots: set.slots ?? (rollouts ? 1 : 0),
})

/** With room for more than is taken without a budget, no more is taken: more texts at once are hardly faster. */
const slotsOf = ({ model, maxTokens, rollouts }: MemoryNeeds, bytes = CACHE_BUDGET): number =>
  rollouts ? slotsWithin(model, maxTokens, rollouts.completions, Math.min(bytes, CACHE_BUDGET)) : 0

const PARTS = ['process', 'weights', 'gradients', 'moments', 'reference', 'best', 'merging', 'cache', 'sampling', 'scoring', 'passes'] as const // prettier-ignore
export type MemoryParts = Record<(typeof PARTS)[number], number>

/** Bytes that a run takes at its peak with a plan, by what takes them: `passes` are forward and backward passes. */
export function memoryEstimate(needs: MemoryNeeds): (plan: MemoryPlan) => MemoryParts {
  const { model, loss, maxTokens, scorers = 0, rollouts } = needs
  const [whole, trained] = [bytesOf(model.parameters), bytesOf(trainedParameters(model))]
  const merged = [...(model.adapter?.targets.keys() ?? [])].map((name) => `${name}.weight`)
  const passes = byRecompute((recompute) => peakMemory(gradientGraph(model, loss, { maxTokens, recompute })))
  const scoring = scorers > 0 ? peakMemory(logprobGraph(model, { maxTokens })) : () => 0
  const sampling = rollouts ? peakMemory(decodeGraph(model, { capacity: maxTokens, sample: true })) : () => 0
  const held = (peak: (sizes: Sizes) => number, sizes: Sizes[]) => (1 + CRACKS) * Math.max(0, ...sizes.map(peak))
  return ({ recompute, microBatchTokens, slots }) => {
    const shapes = passSizes(needs, microBatchTokens)
    return {
      process: PROCESS_BYTES,
      weights: whole,
      gradients: trained,
      moments: 2 * trained,
      reference: { nothing: 0, trained, whole }[rollouts?.reference ?? 'nothing'],
      best: rollouts?.best ? trained : 0,
      merging: merged.reduce((sum, name) => sum + 4 * elementCount(model.parameters.get(name)!), 0),
      cache: slots * cacheBytes(model, maxTokens),
      sampling: rollouts ? held(sampling, prefillSizes(slots, maxTokens - rollouts.newTokens)) : 0,
      scoring: scorers * held(scoring, shapes),
      passes: held(passes(recompute), shapes),
    }
  }
}

const total = (parts: MemoryParts): number => Object.values(parts).reduce((sum, bytes) => sum + bytes, 0)

const bytesOf = (parameters: Model['parameters']): number =>
  [...parameters.values()].reduce((sum, shape) => sum + 4 * elementCount(shape), 0)

/** Makes each once, when it is first asked for. */
function byRecompute<T>(make: (recompute: Recompute) => T): (recompute: Recompute) => T {
  const made = new Map<Recompute, T>()
  return (recompute) => {
    if (!made.has(recompute)) made.set(recompute, make(recompute))
    return made.get(recompute)!
  }
}

/** The largest batches of so many tokens: of longest rows and of rows with hardly a prompt, each by itself or in a group. */
function passSizes({ maxTokens, rollouts }: MemoryNeeds, tokens: number): Sizes[] {
  const newTokens = Math.min(rollouts?.newTokens ?? maxTokens, maxTokens - 1)
  return [maxTokens, newTokens + 1].flatMap((length) => {
    const [Q, P] = [Math.max(1, Math.floor(tokens / length)), Math.max(1, length - newTokens - 1)]
    const A = Math.max(1, Math.floor((tokens - P) / newTokens))
    return [
      { ...prefixSizes({ Q, P: Math.max(1, length - 2), A: 1, S: 1 }), M: Q * newTokens },
      { ...prefixSizes({ Q: 1, P, A, S: newTokens }), M: A * newTokens },
    ]
  })
}

function refusal(
  { maxTokens, rollouts, model }: MemoryNeeds,
  set: Partial<MemoryPlan>,
  { smallest, parts, budget }: { smallest: MemoryPlan; parts: MemoryParts; budget: number },
): GavelError {
  const megabytes = (bytes: number) => Math.ceil(bytes / 1e6)
  const spelt = PARTS.filter((part) => parts[part] > 0).map((part) => `${part} ${megabytes(parts[part])}`)
  const remedies = [
    set.microBatchTokens && 'leave micro_batch_tokens out',
    set.recompute && set.recompute !== 'all' && 'leave recompute out',
    !model.adapter && 'train adapters alone (lora)',
    `lower ${rollouts ? 'max_prompt_tokens or max_new_tokens' : 'max_tokens'}`,
    'give it a larger budget on a larger machine',
  ].filter(Boolean)
  return new GavelError(
    'unavailable_here',
    `the memory budget is ${megabytes(budget)} MB (memory_budget_mb, or the worker's GAVEL_MEMORY_MB), but this job takes about ${megabytes(total(parts))} MB at the least: with recompute ${smallest.recompute} and ${Math.max(smallest.microBatchTokens, maxTokens)} tokens a pass (${spelt.join(', ')}). To make it fit, ${remedies.join(', or ')}.`,
    { param: 'config.memory_budget_mb' },
  )
}
