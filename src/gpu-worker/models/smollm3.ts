import * as v from 'valibot'
import { decoder } from './decoder.ts'
import { DecoderFields, decoderSettings, flag, layerTypes, rotaryOfConfig } from './decoder-config.ts'
import type { Model } from './model.ts'

const SmolLm3Config = v.object({
  ...DecoderFields,
  attention_bias: flag(false),
  mlp_bias: flag(false),
  use_sliding_window: flag(false),
  /** 1 where a layer turns by position, 0 where not: the reverse of the name. */
  no_rope_layers: v.nullish(v.array(v.picklist([0, 1]))),
  no_rope_layer_interval: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(1)), 4),
})

const DEFAULTS = { contextLength: 32_768, kvHeads: 4, theta: 2_000_000, tied: true }

/** SmolLM3: Llama of which some layers do not turn by position (NoPE). */
export function smollm3(config: unknown): Model {
  const parsed = v.parse(SmolLm3Config, config)
  const { attention_bias: attention, mlp_bias: mlp, no_rope_layers: turns, no_rope_layer_interval: every } = parsed
  if (turns && turns.length !== parsed.num_hidden_layers)
    throw new Error(`no_rope_layers lists ${turns.length} layers of ${parsed.num_hidden_layers}`)
  const doesTurn = (i: number) => (turns ? turns[i] === 1 : (i + 1) % every !== 0)
  const types = layerTypes(parsed, (i) => parsed.use_sliding_window && Boolean(parsed.sliding_window) && !doesTurn(i))
  const rotary = rotaryOfConfig(parsed, DEFAULTS)
  const settings = decoderSettings(
    parsed,
    DEFAULTS,
    (type, i) => ({
      rotary: doesTurn(i) ? rotary : undefined,
      window: type === 'sliding_attention' ? parsed.sliding_window : null,
    }),
    types,
  )
  return decoder({ ...settings, bias: { qkv: attention, out: attention, mlp } })
}
