import * as v from 'valibot'
import { decoder } from './decoder.ts'
import { DecoderFields, decoderSettings, rotaryOfConfig, type DecoderConfig } from './decoder-config.ts'
import type { Model } from './model.ts'
import { ropeSettings } from './rope-config.ts'

const MistralConfig = v.object(DecoderFields)
const MISTRAL = { contextLength: 131_072, kvHeads: 8 }
/** Where a config says nothing; a null says that there is none. */
const MISTRAL_WINDOW = 4096

/** Mistral (arXiv 2310.06825): Llama that looks back over a window only, in its first version. */
export function mistral(config: unknown): Model {
  const parsed = v.parse(MistralConfig, config)
  const { sliding_window: window = MISTRAL_WINDOW } = parsed
  return decoder(decoderSettings(parsed, MISTRAL, () => windowed(parsed, MISTRAL, window)))
}

const MINISTRAL = { contextLength: 262_144, epsilon: 1e-5, kvHeads: 8, headSize: 128 }

/** Ministral 3: its queries grow with the logarithm of the position, beyond the original context. */
export function ministral3(config: unknown): Model {
  const parsed = v.parse(MistralConfig, config)
  const settings = decoderSettings(parsed, MINISTRAL, () => windowed(parsed, MINISTRAL, parsed.sliding_window))
  const { llama_4_scaling_beta: beta, original_max_position_embeddings: original } = ropeSettings(parsed)
  if (!beta) return decoder(settings)
  const context = original ?? settings.contextLength
  return decoder({ ...settings, queryScale: (p) => 1 + beta * Math.log(1 + Math.floor(p / context)) })
}

const windowed = (config: DecoderConfig, defaults: typeof MISTRAL, window: number | null | undefined) => ({
  rotary: rotaryOfConfig(config, defaults),
  window,
})
