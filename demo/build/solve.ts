/** What the demo's models are asked, and how well they answer. */
import type { Completion, Generator } from '../../src/gpu-worker/rollout/generator.ts'
import { codec } from '../../testing/tiny-model.ts'
import type { Problem } from '../problems.ts'

export const MAX_NEW_TOKENS = 44
export const promptOf = (question: string): string => `${question}\n`

/** The number after a closing `####`, or null. */
export function statedAnswer(text: string): number | null {
  const match = /#### ?(-?\d{1,6})\s*$/.exec(text)
  return match ? Number(match[1]) : null
}

export interface Attempt {
  problem: Problem
  text: string
  correct: boolean
}

/** `samples` answers to every problem, those of one problem together. */
export async function attempt(
  generator: Generator,
  problems: readonly Problem[],
  { samples, temperature, seed }: { samples: number; temperature: number; seed: number | string },
): Promise<Attempt[]> {
  const requests = problems.map((p) => ({ prompt: codec.encode(promptOf(p.question)), samples }))
  const completions = await generator.generate(requests, {
    temperature,
    maxNewTokens: MAX_NEW_TOKENS,
    stopIds: codec.stopIds,
    seed,
  })
  return completions.map((completion, i) => {
    const problem = problems[Math.floor(i / samples)]!
    const text = textOf(completion)
    return { problem, text, correct: statedAnswer(text) === problem.answer }
  })
}

/** A completion's text; one that ran out of room keeps a mark, so that it does not pass for a finished one. */
export const textOf = ({ ids }: Completion): string => codec.decode(ids)

export const share = (attempts: readonly { correct: boolean }[]): number =>
  attempts.filter((a) => a.correct).length / attempts.length
