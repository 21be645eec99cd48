import * as v from 'valibot'
import { decoder, type BlockNorms, type DecoderSettings } from './decoder.ts'
import { DecoderFields, decoderSettings, flag, layerTypes, rotaryOfConfig, byLayerType } from './decoder-config.ts'
import type { Model } from './model.ts'

/** Each branch is normed as it comes out, not as it goes in. */
const POST_NORM: BlockNorms = { attentionOut: 'post_attention_layernorm', mlpOut: 'post_feedforward_layernorm' }

const OlmoConfig = v.object({ ...DecoderFields, attention_bias: flag(false) })
const OLMO2 = { contextLength: 2048, epsilon: 1e-5 }

/** OLMo 2 (arXiv 2501.00656): norms behind the branches, and across all queries and all keys. */
export function olmo2(config: unknown): Model {
  const parsed = v.parse(OlmoConfig, config)
  return decoder({ ...decoderSettings(parsed, OLMO2), ...olmoSettings(parsed.attention_bias) })
}

const OLMO3 = { contextLength: 65_536, epsilon: 1e-5, theta: 500_000 }

/** Olmo 3: most layers look back over a window, and turn without the scaling that the others have. */
export function olmo3(config: unknown): Model {
  const parsed = v.parse(OlmoConfig, config)
  const { sliding_window: window = 4096 } = parsed
  const rotary = {
    full_attention: rotaryOfConfig(parsed, OLMO3),
    sliding_attention: rotaryOfConfig({ ...parsed, rope_scaling: null }, OLMO3, { layerType: 'sliding_attention' }),
  }
  const settings = decoderSettings(
    parsed,
    OLMO3,
    byLayerType(rotary, window),
    layerTypes(parsed, (i) => (i + 1) % 4 !== 0),
  )
  return decoder({ ...settings, ...olmoSettings(parsed.attention_bias) })
}

const olmoSettings = (attentionBias: boolean): Partial<DecoderSettings> => ({
  blockNorms: POST_NORM,
  queryKeyNorm: { q: 'q_norm', k: 'k_norm', over: 'all' },
  bias: { qkv: attentionBias, out: attentionBias },
})

const Exaone4Config = v.object({
  ...DecoderFields,
  /** A number of layers, or a text such as "LLLG". */
  sliding_window_pattern: v.nullish(v.union([v.number(), v.string()]), 4),
})
const EXAONE4 = { contextLength: 2048, epsilon: 1e-5, kvHeads: 32 }

/** EXAONE 4 (arXiv 2507.11407): OLMo's norms; where some layers have a window, only those turn by position. */
export function exaone4(config: unknown): Model {
  const parsed = v.parse(Exaone4Config, config)
  const { sliding_window: window = 4096, sliding_window_pattern: pattern } = parsed
  const isLocal = (i: number) =>
    typeof pattern === 'string' ? pattern[i % pattern.length] === 'L' : (i + 1) % pattern !== 0
  const last = parsed.num_hidden_layers - 1
  const types = layerTypes(parsed, (i) => window !== null && isLocal(i) && i !== last)
  const rotary = rotaryOfConfig(parsed, EXAONE4)
  const settings = decoderSettings(
    parsed,
    EXAONE4,
    byLayerType({ sliding_attention: rotary, ...(window === null ? { full_attention: rotary } : {}) }, window),
    types,
  )
  return decoder({
    ...settings,
    blockNorms: POST_NORM,
    queryKeyNorm: { q: 'q_norm', k: 'k_norm', over: 'head' },
  })
}
