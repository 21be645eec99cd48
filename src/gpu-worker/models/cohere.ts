import * as v from 'valibot'
import { decoder, type DecoderSettings } from './decoder.ts'
import {
  DecoderFields,
  decoderSettings,
  flag,
  layerTypes,
  rotaryOfConfig,
  Size,
  type FamilyDefaults,
  byLayerType,
} from './decoder-config.ts'
import type { Model } from './model.ts'

const CohereFields = {
  ...DecoderFields,
  attention_bias: flag(false),
  layer_norm_eps: v.nullish(v.number(), 1e-5),
  logit_scale: v.nullish(v.number(), 0.0625),
}

const CohereConfig = v.object({ ...CohereFields, use_qk_norm: flag(false) })
const COHERE: FamilyDefaults = { contextLength: 8192, theta: 500_000, tied: true, interleaved: true }

/** Command R: one norm, with the mean taken off, before both branches, which are added together. */
export function cohere(config: unknown): Model {
  const parsed = v.parse(CohereConfig, config)
  return decoder({
    ...decoderSettings(parsed, COHERE),
    ...cohereSettings(parsed),
    ...(parsed.use_qk_norm ? { queryKeyNorm: { q: 'q_norm', k: 'k_norm', over: 'own' } } : {}),
  })
}

const Cohere2Config = v.object({
  ...CohereFields,
  sliding_window_pattern: v.nullish(Size),
  _sliding_window_pattern: v.nullish(Size),
})
const COHERE2: FamilyDefaults = { contextLength: 8192, tied: true, interleaved: true }

/** Command R7B: three layers of four look back over a window, and only those turn by position. */
export function cohere2(config: unknown): Model {
  const parsed = v.parse(Cohere2Config, config)
  const { sliding_window: window = 4096 } = parsed
  const every = parsed.sliding_window_pattern ?? parsed._sliding_window_pattern ?? 4
  const rotary = rotaryOfConfig(parsed, COHERE2)
  const settings = decoderSettings(
    parsed,
    COHERE2,
    byLayerType({ sliding_attention: rotary }, window),
    layerTypes(parsed, (i) => (i + 1) % every !== 0),
  )
  return decoder({ ...settings, ...cohereSettings(parsed) })
}

function cohereSettings(config: {
  attention_bias: boolean
  layer_norm_eps: number
  logit_scale: number
}): Partial<DecoderSettings> {
  return {
    norm: { kind: 'layer', epsilon: config.layer_norm_eps },
    blockNorms: { attentionIn: 'input_layernorm', mlpIn: 'input_layernorm', parallel: true },
    logitScale: config.logit_scale,
    bias: { qkv: config.attention_bias, out: config.attention_bias },
  }
}
