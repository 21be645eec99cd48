import * as v from 'valibot'
import { decoder, type BlockNorms } from './decoder.ts'
import { DecoderFields, decoderSettings, flag, type FamilyDefaults } from './decoder-config.ts'
import type { Model } from './model.ts'

const GlmConfig = v.object({ ...DecoderFields, attention_bias: flag(true) })

const GLM: FamilyDefaults = {
  contextLength: 131_072,
  epsilon: 1.5625e-7,
  kvHeads: 2,
  headSize: 128,
  partial: 0.5,
  interleaved: true,
}

/** GLM-4 and GLM-Edge (arXiv 2406.12793): neighbours in the first half of each head are turned; joined gate and up. */
export const glm = (config: unknown): Model => withNorms(config, undefined)

/** GLM-4-0414: norms on both sides of each branch; what is called post-attention stands before the MLP. */
export const glm4 = (config: unknown): Model =>
  withNorms(config, {
    attentionIn: 'input_layernorm',
    attentionOut: 'post_self_attn_layernorm',
    mlpIn: 'post_attention_layernorm',
    mlpOut: 'post_mlp_layernorm',
  })

function withNorms(config: unknown, blockNorms: BlockNorms | undefined): Model {
  const parsed = v.parse(GlmConfig, config)
  return decoder({
    ...decoderSettings(parsed, GLM),
    ...(blockNorms ? { blockNorms } : {}),
    mlp: { gateUp: 'gate_up_proj', down: 'down_proj' },
    bias: { qkv: parsed.attention_bias },
  })
}
