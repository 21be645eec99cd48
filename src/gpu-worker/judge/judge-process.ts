/** The process behind local-judge-host.ts: holds one judge's model. */
import type { FirstTokenLogprobs, JudgeRequest, LabelTokens } from '../../core/ports.ts'
import { answerCalls } from '../child-process/answer-calls.ts'
import { packError, type PackedError } from '../../core/packed-error.ts'
import { sealNetwork } from '../child-process/seal-network.ts'
import { fetchSource, type OutsideSource, type SourceOptions } from '../models/source.ts'
import type { LocalJudgeOptions } from './local-judge-client.ts'
import { openLocalJudge, type JudgeEngine } from './open-local-judge.ts'

/** A model's source, or the folder that a checkpoint has been fetched to. */
export type JudgeModel = OutsideSource | { type: 'fetched'; path: string }

export interface JudgeProtocol {
  order: {
    model: JudgeModel
    engine: JudgeEngine
    options: SourceOptions & Required<Pick<LocalJudgeOptions, 'labels'>> & LocalJudgeOptions
  }
  /** The token ids of the judge's labels. */
  ready: LabelTokens
  request: JudgeRequest[]
  part: never
  result: (FirstTokenLogprobs | { error: PackedError })[]
}

answerCalls<JudgeProtocol>(async ({ model, engine, options }) => {
  const path = model.type === 'fetched' ? model.path : await fetchSource(model, options)
  sealNetwork()
  const client = await openLocalJudge(path, engine, options)
  return {
    ready: await client.labelTokens!(),
    async answer(requests) {
      const answers = await client.firstTokenLogprobs(requests)
      return answers.map((answer) => (answer instanceof Error ? { error: packError(answer) } : answer))
    },
  }
})
