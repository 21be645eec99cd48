import * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { apertus } from './apertus.ts'
import { cohere, cohere2 } from './cohere.ts'
import { gemma, gemma2, gemma3 } from './gemma.ts'
import { glm, glm4 } from './glm.ts'
import { gpt2 } from './gpt2.ts'
import { gptNeoX } from './gpt-neox.ts'
import { granite, graniteHybrid } from './granite.ts'
import { nemotron, stableLm, starcoder2 } from './layer-norm-decoders.ts'
import { ernie45, helium, hunyuan, internlm3, llama, seedOss } from './llama.ts'
import { ministral3, mistral } from './mistral.ts'
import type { Model } from './model.ts'
import { exaone4, olmo2, olmo3 } from './olmo.ts'
import { opt } from './opt.ts'
import { phi, phi3 } from './phi.ts'
import { qwen2, qwen3 } from './qwen.ts'
import { smollm3 } from './smollm3.ts'

/** Architectures by the `model_type` of their `config.json`. */
const ARCHITECTURES = {
  apertus,
  cohere,
  cohere2,
  ernie4_5: ernie45,
  exaone4,
  gemma,
  gemma2,
  gemma3_text: gemma3,
  glm,
  glm4,
  gpt2,
  gpt_neox: gptNeoX,
  granite,
  granitemoehybrid: graniteHybrid,
  helium,
  hunyuan_v1_dense: hunyuan,
  internlm3,
  llama,
  ministral3,
  mistral,
  nemotron,
  olmo2,
  olmo3,
  opt,
  phi,
  phi3,
  qwen2,
  qwen3,
  seed_oss: seedOss,
  smollm3,
  stablelm: stableLm,
  starcoder2,
} satisfies Record<string, (config: unknown) => Model>

export const MODEL_TYPES: readonly string[] = Object.keys(ARCHITECTURES)

/**
 * The model that a Hugging Face `config.json` describes.
 * @param where what to call it in messages
 * Throws `unsupported_model` where the architecture is unknown or a field of the config is not understood.
 */
export function modelFromConfig(config: unknown, where = 'config.json'): Model {
  const type = (config as { model_type?: unknown } | null)?.model_type
  const build = Object.hasOwn(ARCHITECTURES, String(type)) ? ARCHITECTURES[type as keyof typeof ARCHITECTURES] : null
  if (!build) {
    throw new GavelError(
      'unsupported_model',
      `${where}: model_type ${JSON.stringify(type)} is not supported; known are ${MODEL_TYPES.join(', ')}`,
    )
  }
  try {
    checkNeutral(config as Record<string, unknown>)
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

/** Fields that would make another model of it, whatever the architecture, and what they may say all the same. */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  add_cross_attention: [false],
  is_causal: [true],
  is_encoder_decoder: [false],
  num_experts: [0],
  num_local_experts: [0],
  quantization_config: [],
  use_bidirectional_attention: [false],
}

function checkNeutral(config: Record<string, unknown>): void {
  for (const [name, allowed] of Object.entries(NEUTRAL)) {
    const value = config[name] ?? null
    if (value === null || allowed.includes(value)) continue
    const shown = typeof value === 'object' ? 'with settings' : JSON.stringify(value)
    const hint = name === 'quantization_config' ? '; use the model from before it was quantised' : ''
    throw new Error(`${name} ${shown} is not supported${hint}`)
  }
}

/** Fields of several architectures, and how large they are at most: beyond that a config is damaged, or hostile. */
const MOST = {
  // More would take all memory before the first tensor could be found to be missing.
  num_hidden_layers: 1000,
  n_layer: 1000,
  num_attention_heads: 4096,
  num_key_value_heads: 4096,
  n_head: 4096,
  head_dim: 4096,
  hidden_size: 1 << 20,
  rms_norm_eps: 1,
  layer_norm_eps: 1,
  layer_norm_epsilon: 1,
  norm_eps: 1,
  norm_epsilon: 1,
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
