import { WORKLOADS } from '../engine/workload.ts'

/** What is measured, told to both sides in the same words: the argument, as JSON, of `judge-ours.ts` and of the peer. */
export interface JudgeWorkload {
  /** A Llama, as the fields of its `config.json`; weights are random. */
  config: Record<string, unknown>
  questions: number
  /** Tokens of a question with the template before it. */
  questionTokens: number
  /** Tokens of each answer with the template after it: those of every question. */
  answerTokens: number[]
  threads: number
}

/** SmolLM2-135M, 8 answers to each of 4 questions: lengths as word problems and worked answers have them. */
export const JUDGE_WORKLOAD: JudgeWorkload = {
  config: WORKLOADS['train-135m'].config,
  questions: 4,
  questionTokens: 128,
  answerTokens: [52, 60, 67, 75, 83, 92, 104, 127],
  threads: 2,
}

/** What one process prints: seconds for all questions, by way of doing it. */
export type JudgeSeconds = Record<string, number>
