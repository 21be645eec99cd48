import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { gemma3, Gemma3Config } from './gemma3.ts'
import { gpt2, Gpt2Config } from './gpt2.ts'
import { llama, LlamaConfig } from './llama.ts'
import type { Model } from './model.ts'
import { opt, OptConfig } from './opt.ts'
import { qwen2, Qwen2Config, qwen3, Qwen3Config } from './qwen.ts'

/** Architectures by the `model_type` of their `config.json`. */
const ARCHITECTURES = {
  llama: (config: unknown) => llama(v.parse(LlamaConfig, config)),
  gemma3_text: (config: unknown) => gemma3(v.parse(Gemma3Config, config)),
  gpt2: (config: unknown) => gpt2(v.parse(Gpt2Config, config)),
  opt: (config: unknown) => opt(v.parse(OptConfig, config)),
  qwen2: (config: unknown) => qwen2(v.parse(Qwen2Config, config)),
  qwen3: (config: unknown) => qwen3(v.parse(Qwen3Config, config)),
} satisfies Record<string, (config: unknown) => Model>

/**
 * The model that a Hugging Face `config.json` describes.
 * Throws `unsupported_model` where the architecture is unknown or a field of the config is not understood.
 */
export function modelFromConfig(config: unknown): Model {
  const type = (config as { model_type?: unknown } | null)?.model_type
  const known = Object.keys(ARCHITECTURES).join(', ')
  const build = ARCHITECTURES[type as keyof typeof ARCHITECTURES] as ((config: unknown) => Model) | undefined
  if (!build) {
    throw new GavelError(
      'unsupported_model',
      `config.json: model_type ${JSON.stringify(type)} is not supported; known are ${known}`,
    )
  }
  try {
    return build(config)
  } catch (error) {
    const where = v.isValiError(error) ? `${v.getDotPath(error.issues[0])}: ` : ''
    throw new GavelError('unsupported_model', `config.json (${String(type)}): ${where}${(error as Error).message}`, {
      cause: error,
    })
  }
}
