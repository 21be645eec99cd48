import { GavelError } from '../../core/errors.ts'
import type { JudgeClient } from '../../core/ports.ts'
import { openPath } from '../models/source.ts'
import { localJudgeClient, type LocalJudgeOptions } from './local-judge-client.ts'

export type JudgeEngine = 'gavel' | 'llama.cpp'

const ENGINES: Record<JudgeEngine, (path: string, options: LocalJudgeOptions) => Promise<JudgeClient>> = {
  gavel: (path, options) => localJudgeClient(openPath(path), options),
  async 'llama.cpp'(path, options) {
    if (!path.endsWith('.gguf')) {
      const message = 'llama.cpp runs GGUF files, and a folder or a checkpoint is none; use the engine `gavel`.'
      throw new GavelError('unsupported_model', message, { param: 'provider.engine' })
    }
    const { llamaJudgeClient } = await import('./llama-judge-client.ts')
    return llamaJudgeClient(path, options)
  },
}

/**
 * A local judge, loaded into this process. Throws what kept it from being opened.
 * @param path a folder or a GGUF file
 */
export const openLocalJudge = async (
  path: string,
  engine: JudgeEngine,
  options: LocalJudgeOptions,
): Promise<JudgeClient> => ENGINES[engine](path, options)
