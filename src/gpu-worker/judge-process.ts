/** The process behind local-judge-host.ts: holds one judge's model. */
import type { FirstTokenLogprobs, JudgeRequest } from '../core/ports.ts'
import type { ModelSource } from '../core/schemas/model.ts'
import { answerCalls } from './calls/answer-calls.ts'
import { packError, type PackedError } from './calls/packed-error.ts'
import { localJudgeClient, type LocalJudgeOptions } from './local-judge.ts'
import { openFolder, openModel, type SourceOptions } from './models/source.ts'

/** A model's source, or the folder of a checkpoint that has been fetched. */
export type JudgeModel = Exclude<ModelSource, { type: 'checkpoint' }> | { type: 'folder'; path: string }

export interface JudgeProtocol {
  order: { model: JudgeModel; options: SourceOptions & LocalJudgeOptions }
  ready: null
  request: JudgeRequest[]
  part: never
  result: (FirstTokenLogprobs | { error: PackedError })[]
}

answerCalls<JudgeProtocol>(async ({ model, options }) => {
  const folder = model.type === 'folder' ? openFolder(model.path) : await openModel(model, options)
  const client = await localJudgeClient(folder, options)
  return {
    ready: null,
    async answer(requests) {
      const answers = await client.firstTokenLogprobs(requests)
      return answers.map((answer) => (answer instanceof Error ? { error: packError(answer) } : answer))
    },
  }
})
