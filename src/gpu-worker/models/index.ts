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
 * @param where what to call it in messages
 * Throws `unsupported_model` where the architecture is unknown or a field of the config is not understood.
 */
export function modelFromConfig(config: unknown, where = 'config.json'): Model {
  const type = (config as { model_type?: unknown } | null)?.model_type
  const known = Object.keys(ARCHITECTURES).join(', ')
  const build = Object.hasOwn(ARCHITECTURES, String(type)) ? ARCHITECTURES[type as keyof typeof ARCHITECTURES] : null
  if (!build) {
    throw new GavelError(
      'unsupported_model',
      `${where}: model_type ${JSON.stringify(type)} is not supported; known are ${known}`,
    )
  }
  try {
    checkRanges(config as Record<string, unknown>)
    const model = build(config)
    checkHeads(config as Record<string, unknown>, model)
    return model
  } catch (error) {
    const field = v.isValiError(error) ? `${v.getDotPath(error.issues[0])}: ` : ''
    throw new GavelError('unsupported_model', `${where} (${String(type)}): ${field}${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** Fields of several architectures, and how large they are at most: beyond that a config is damaged, or hostile. */
const MOST = {
  // More would take all memory before the first tensor could be found to be missing.
  num_hidden_layers: 1000,
  n_layer: 1000,
  rms_norm_eps: 1,
  layer_norm_epsilon: 1,
}

function checkRanges(config: Record<string, unknown>): void {
  for (const [name, most] of Object.entries(MOST)) {
    const value = config[name]
    if (typeof value === 'number' && !(value >= 0 && value <= most))
      throw new Error(`${name}: ${value} is not from 0 to ${most}`)
  }
}

function checkHeads({ num_attention_heads: heads }: Record<string, unknown>, { kvHeads, headSize }: Model): void {
  if (typeof heads === 'number' && heads % kvHeads !== 0)
    throw new Error(`num_attention_heads: ${heads} is not a multiple of num_key_value_heads, ${kvHeads}`)
  // Halves are rotated against each other; the models that do not rotate have no odd heads either.
  if (!Number.isInteger(headSize / 2)) throw new Error(`heads of ${headSize} numbers are not even`)
}
