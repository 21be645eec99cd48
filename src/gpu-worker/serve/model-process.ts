/** The process behind `gavel serve`: holds the model and generates. */
import type { ModelSource } from '../../core/schemas/model.ts'
import type { PromptFormat } from '../../core/schemas/training.ts'
import { answerCalls } from '../child-process/answer-calls.ts'
import { openModel, openPath, type SourceOptions } from '../models/source.ts'
import { formatOf } from '../text/row-codec.ts'
import type { DownloadProgress } from '../weights/download-model.ts'
import type { GenerationPart, GenerationRequest, GenerationUsage } from './generation.ts'
import { ModelService, type ModelServiceOptions } from './model-service.ts'

/** From the hub, or any path of this machine: whoever starts the server is its operator. */
export type ServedModel = Extract<ModelSource, { type: 'hub' }> | { type: 'path'; path: string }

export interface ServeProtocol {
  order: { model: ServedModel; hub: SourceOptions['hub']; options: ModelServiceOptions }
  ready: { context: number; slots: number; format: PromptFormat }
  request: GenerationRequest
  part: GenerationPart
  result: GenerationUsage
}

/** A line on stderr for each file of a download as it begins. */
function onProgress({ file, total }: DownloadProgress): void {
  if (begun.has(file)) return
  begun.add(file)
  console.error(`downloading ${file} (${(total / 1e6).toFixed(1)} MB)`)
}
const begun = new Set<string>()

answerCalls<ServeProtocol>(async ({ model, hub, options }) => {
  const folder =
    model.type === 'path' ? openPath(model.path) : await openModel(model, { roots: [], hub: { ...hub, onProgress } })
  const service = await ModelService.create(folder, options)
  return {
    ready: { context: service.context, slots: service.slots, format: formatOf(folder.codec) },
    answer: (request, context) => service.generate(request, context),
  }
})
