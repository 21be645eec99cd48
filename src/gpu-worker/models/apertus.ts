import * as v from 'valibot'
import type { Graph } from '../graph/graph.ts'
import type { Tensor } from '../graph/tensor.ts'
import { decoder, type ParametricActivation } from './decoder.ts'
import { DecoderFields, decoderSettings, flag } from './decoder-config.ts'
import type { Model } from './model.ts'

const ApertusConfig = v.object({
  ...DecoderFields,
  hidden_act: v.nullish(v.literal('xielu'), 'xielu'),
  attention_bias: flag(false),
})
const DEFAULTS = { contextLength: 65_536, epsilon: 1e-5, theta: 12_000_000 }

/** Apertus (arXiv 2509.14233): Llama without a gate, with an activation that is trained. */
export function apertus(config: unknown): Model {
  const { hidden_act: _, ...parsed } = v.parse(ApertusConfig, config)
  const { attention_bias: attention } = parsed
  return decoder({
    ...decoderSettings(parsed, DEFAULTS),
    blockNorms: { attentionIn: 'attention_layernorm', mlpIn: 'feedforward_layernorm' },
    queryKeyNorm: { q: 'q_norm', k: 'k_norm', over: 'head' },
    mlp: { up: 'up_proj', down: 'down_proj' },
    activation: xielu,
    bias: { qkv: attention, out: attention },
  })
}

/**
 * xIELU (arXiv 2411.13010): with P = softplus(alpha_p) and N = beta + softplus(alpha_n), P·x² + beta·x above 0, and
 * N·(exp(min(x, eps)) − 1 − x) + beta·x elsewhere. beta and eps are in the file, and stay as they are.
 */
const xielu: ParametricActivation = (prefix, parameters, constants) => {
  const name = (part: string) => `${prefix}.act_fn.${part}`
  for (const part of ['alpha_p', 'alpha_n']) parameters.set(name(part), [1])
  for (const part of ['beta', 'eps']) {
    parameters.set(name(part), [])
    constants.add(name(part))
  }
  return (nn, x) => {
    const { g } = nn
    const [beta, eps] = [nn.parameter(name('beta')), nn.parameter(name('eps'))]
    const positive = softplus(g, nn.parameter(name('alpha_p')))
    const negative = g.add(beta, softplus(g, nn.parameter(name('alpha_n'))))
    const linear = g.mul(beta, x)
    const above = g.add(g.mul(positive, g.mul(x, x)), linear)
    const curve = g.sub(g.sub(g.exp(g.min(x, eps)), g.scalar(1)), x)
    const below = g.add(g.mul(negative, curve), linear)
    return g.where(g.lessOrEqual(x, g.scalar(0)), below, above)
  }
}

const softplus = (g: Graph, x: Tensor): Tensor => g.log(g.add(g.scalar(1), g.exp(x)))
