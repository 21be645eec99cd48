import { mean, standardDeviation } from '../../core/moments.ts'
import type { Clock } from '../../core/ports.ts'
import type { Sample } from '../../core/schemas/job.ts'
import { auc } from '../../core/stats/agreement.ts'
import type { Rollout } from './roll-out.ts'

/** What the rollouts of a step say, overall and where judge and verifier can be held against each other. */
export function rolloutMetrics(rollouts: readonly Rollout[]): Record<string, number> {
  const rewards = rollouts.map(({ reward }) => reward)
  const values = rewards.flatMap((r) => r.reward ?? [])
  const overlap = rollouts.flatMap((r) => r.overlap ?? [])
  const lengths = rollouts.map(({ completion }) => completion.ids.length)
  const tokens = lengths.reduce((sum, length) => sum + length, 0)
  const surprise = rollouts.reduce((sum, { completion }) => completion.logprobs.reduce((a, b) => a - b, sum), 0)
  return known({
    reward: mean(values),
    'reward/std': standardDeviation(values),
    'reward/judge': mean(rewards.flatMap((r) => r.terms.judge ?? [])),
    'reward/reranker': mean(rewards.flatMap((r) => r.terms.reranker ?? [])),
    'reward/pseudo_labelled': share(rewards, (r) => r.terms.pseudo_label !== undefined) || null,
    'reward/verifier': mean(rewards.flatMap((r) => r.terms.verifier ?? [])),
    'reward/gated': share(rewards, (r) => r.outcome === 'scored' && r.reason === 'gated'),
    'reward/abstained': share(rewards, (r) => r.outcome === 'abstained'),
    'reward/failed': share(rewards, (r) => r.outcome === 'failed'),
    'overlap/correct': overlap.length ? share(overlap, (o) => o.correct) : null,
    'overlap/judge_auc': auc(overlap),
    rollouts: rollouts.length,
    tokens,
    completion_length: tokens / rollouts.length,
    truncated: share(rollouts, ({ completion }) => completion.finish === 'length'),
    entropy: surprise / tokens,
  })
}

/** Drops the numbers that are not known in this step. */
export const known = (named: Record<string, number | null>): Record<string, number> =>
  Object.fromEntries(Object.entries(named).filter((e): e is [string, number] => e[1] !== null))

export const share = <T>(list: readonly T[], is: (item: T) => boolean): number =>
  list.length ? list.filter(is).length / list.length : 0

/** Adds up where the time of a step goes: `lap` puts what has passed since the last one under a name. */
export function stopwatch(clock: Clock) {
  const seconds: Record<string, number> = {}
  let last = clock.now()
  return {
    seconds,
    lap(what: string): void {
      const now = clock.now()
      seconds[`seconds/${what}`] = (seconds[`seconds/${what}`] ?? 0) + (now - last) / 1000
      last = now
    },
  }
}

/** Rollouts of a step that are kept for people to read. */
const SAMPLES_A_STEP = 4

export const samplesOf = (step: number, rollouts: readonly Rollout[]): Sample[] =>
  rollouts.slice(0, SAMPLES_A_STEP).map(({ prompt, item, reward }, index) => ({
    step,
    split: 'train' as const,
    index,
    prompt: prompt.text,
    completion: item.completion,
    answer: prompt.answer ?? null,
    reward: reward.reward,
    terms: { ...reward.terms },
  }))
