import { REFERENCE_FILE } from '../checkpoint/training-files.ts'
import { PolicyScorer } from '../training/policy-scorer.ts'
import type { MemoryNeeds } from './memory-plan.ts'
import type { RunContext } from './run-context.ts'
import type { startTraining } from './start-training.ts'
import { TrainedCopy } from './trained-copy.ts'

type Run = Awaited<ReturnType<typeof startTraining>>
export type Reference = NonNullable<Awaited<ReturnType<typeof openReference>>>

interface ReferenceConfig {
  kl_coefficient: number
  reference_reset_every: number
}

/** What of the model {@link openReference} holds a second time. LoRA's base is the policy before any training. */
export function referenceCopy({
  kl_coefficient,
  reference_reset_every,
  lora,
}: ReferenceConfig & { lora?: unknown }): NonNullable<MemoryNeeds['rollouts']>['reference'] {
  if (kl_coefficient === 0) return 'nothing'
  if (reference_reset_every > 0) return 'trained'
  return lora ? 'nothing' : 'whole'
}

/**
 * The policy that the trained one is held close to, or null where nothing does: the first one, or every so many steps
 * the trained one of that moment. Of the latter only what is trained is copied; for LoRA that is the adapter.
 */
export async function openReference(
  run: Run,
  context: RunContext,
  { kl_coefficient, reference_reset_every: every }: ReferenceConfig,
  maxTokens: number,
) {
  if (kl_coefficient === 0) return null
  if (every === 0) {
    const scorer = await PolicyScorer.create(await run.firstPolicy(), maxTokens, context)
    return { scorer, resetWhenDue: () => {}, reset: () => {}, files: () => ({}) }
  }
  const { model, weights } = run
  const { resume } = context
  const copy = resume ? TrainedCopy.saved(run, resume.folder, REFERENCE_FILE) : TrainedCopy.of(run)
  const scorer = await PolicyScorer.create({ model, weights: new Map([...weights, ...copy.own]) }, maxTokens, context)
  return {
    scorer,
    resetWhenDue: (step: number): void => {
      if (step % every === 0) copy.take()
    },
    reset: () => copy.take(),
    files: () => ({ [REFERENCE_FILE]: copy.own }),
  }
}
