import { GavelError } from '../../core/errors.ts'
import type { JudgeClient } from '../../core/ports.ts'
import type { ModelSource } from '../../core/schemas/model.ts'
import { allowedPath, openFolder, openModel, type SourceOptions } from '../models/source.ts'
import { downloadModel } from '../weights/download-model.ts'
import { localJudgeClient, type LocalJudgeOptions } from './local-judge-client.ts'

/** A model's source, or the folder of a checkpoint that has been fetched. */
export type JudgeModel = Exclude<ModelSource, { type: 'checkpoint' }> | { type: 'folder'; path: string }
export type JudgeEngine = 'gavel' | 'llama.cpp'

const ENGINES: Record<
  JudgeEngine,
  (model: JudgeModel, options: SourceOptions & LocalJudgeOptions) => Promise<JudgeClient>
> = {
  async gavel(model, options) {
    const folder = model.type === 'folder' ? openFolder(model.path) : await openModel(model, options)
    return localJudgeClient(folder, options)
  },
  async 'llama.cpp'(model, options) {
    const { llamaJudgeClient } = await import('./llama-judge-client.ts')
    return llamaJudgeClient(await ggufPath(model, options), options)
  },
}

/** A local judge, loaded into this process. Throws what kept it from being opened. */
export const openLocalJudge = (
  model: JudgeModel,
  engine: JudgeEngine,
  options: SourceOptions & LocalJudgeOptions,
): Promise<JudgeClient> => ENGINES[engine](model, options)

async function ggufPath(model: JudgeModel, { roots, hub }: SourceOptions): Promise<string> {
  if (model.type === 'local') return allowedPath(model.path, roots)
  if (model.type === 'hub') return downloadModel(model, hub)
  throw new GavelError(
    'unsupported_model',
    'llama.cpp runs GGUF files, and a checkpoint is none; use the engine `gavel`.',
    {
      param: 'provider.engine',
    },
  )
}
