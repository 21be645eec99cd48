import * as v from 'valibot'
import type { RotarySpec } from '../graph/rotary.ts'

export const RopeScaling = v.object({
  rope_type: v.optional(v.string()),
  type: v.optional(v.string()),
  rope_theta: v.optional(v.number()),
  factor: v.optional(v.number()),
  low_freq_factor: v.optional(v.number()),
  high_freq_factor: v.optional(v.number()),
  original_max_position_embeddings: v.optional(v.number()),
})

type RopeScaling = v.InferOutput<typeof RopeScaling>

/** Rotary settings as `config.json` has them: `rope_parameters` (transformers 5) or `rope_theta` with `rope_scaling`. */
export const RopeFields = {
  rope_theta: v.optional(v.number()),
  rope_scaling: v.optional(v.nullable(RopeScaling)),
  rope_parameters: v.optional(v.nullable(RopeScaling)),
}

/** Throws for a scaling the engine does not know, naming it. */
export function rotarySpec(config: {
  rope_theta?: number | undefined
  rope_scaling?: RopeScaling | null | undefined
  rope_parameters?: RopeScaling | null | undefined
}): RotarySpec {
  const scaling: Partial<RopeScaling> = config.rope_parameters ?? config.rope_scaling ?? {}
  const theta = scaling.rope_theta ?? config.rope_theta ?? 10_000
  const kind = scaling.rope_type ?? scaling.type ?? 'default'
  for (const [name, value] of Object.entries({ rope_theta: theta, factor: scaling.factor ?? 1 }))
    if (!(value > 0)) throw new Error(`${name}: ${value} is not above 0`)
  if (kind === 'default') return { theta }
  if (kind === 'linear') return { theta, linearFactor: scaling.factor ?? 1 }
  if (kind === 'llama3') {
    return {
      theta,
      llama3: {
        factor: scaling.factor ?? 8,
        lowFrequencyFactor: scaling.low_freq_factor ?? 1,
        highFrequencyFactor: scaling.high_freq_factor ?? 4,
        originalContext: scaling.original_max_position_embeddings ?? 8192,
      },
    }
  }
  throw new Error(`rotary scaling "${kind}" is not supported; known are default, linear and llama3`)
}
