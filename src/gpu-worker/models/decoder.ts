import { ACTIVATIONS, layerNorm, rmsNorm, type Activation } from '../graph/nn.ts'
import type { RotarySpec } from '../graph/rotary.ts'
import type { Tensor } from '../graph/tensor.ts'
import type { Layers, Model } from './model.ts'

/** A piece of a model, by the names of its parameters: activations [N,in] → [N,out]. */
export type Piece = (nn: Layers, x: Tensor) => Tensor

/** Name → shape, filled while a model is put together. */
export type Parameters = Map<string, readonly number[]>

/** `rms`: x/√(mean x² + ε)·w (arXiv 1910.07467); `layer`: also the mean taken off (arXiv 1607.06450). */
export interface NormSettings {
  kind: 'rms' | 'layer'
  epsilon: number
  /** The file has w − 1. */
  onePlus?: boolean
  /** A bias is added (`layer` only). */
  bias?: boolean
}

/**
 * Norms of a block, by name; what has none is not normed. Under one name, both branches read the same norm.
 * Pre-norm has `attentionIn` and `mlpIn`, post-norm `attentionOut` and `mlpOut`, a sandwich all four.
 */
export interface BlockNorms {
  attentionIn?: string
  attentionOut?: string
  mlpIn?: string
  mlpOut?: string
  /** Both branches read the block's input: x + attention(x) + mlp(x), not one after the other. */
  parallel?: boolean
}

/**
 * How queries, keys and values come about: by a projection each; by one for all, first all queries, then all keys, then
 * all values; or by one, in which each head has its query, key and value together.
 */
export type Projections = { q: string; k: string; v: string } | { joined: string; byHead?: boolean }

/** Norms of queries and keys, by name. */
export interface QueryKeyNorm {
  q: string
  k: string
  /**
   * `head`: one weight [D] for every head; `all`: across all heads at once, [heads·D]; `own`: over each head, by weights
   * of its own, [heads,D]; `listed`: likewise, with a parameter a head, `NAME.norms.0.weight` [D], …
   */
  over: 'head' | 'all' | 'own' | 'listed'
  /** After queries and keys are turned by position, not before. */
  afterRotation?: boolean
}

/** down(act(up x)), down(act(gate x)·up x), or the latter with gate and up in one projection, gate first. */
export type MlpNames = { up: string; down: string; gate?: string } | { gateUp: string; down: string }

/** An activation with parameters: given their prefix and the model's, it answers what to do. */
export type ParametricActivation = (prefix: string, parameters: Parameters, constants: Set<string>) => Piece

/** What a layer has of its own. */
export interface LayerSettings {
  rotary?: RotarySpec | undefined
  /** How many positions back its tokens see, themselves included; all where there is none. */
  window?: number | null | undefined
}

/** A decoder of the common shape: embedding, blocks of attention and MLP, a last norm, a head. */
export interface DecoderSettings {
  vocabularySize: number
  contextLength: number
  hiddenSize: number
  heads: number
  kvHeads: number
  headSize: number
  /** Width of the MLP's inside. */
  mlpSize: number
  layers: readonly LayerSettings[]
  norm: NormSettings
  blockNorms: BlockNorms
  projections: Projections
  /** Name of the projection out of attention. */
  out: string
  queryKeyNorm?: QueryKeyNorm | undefined
  mlp: MlpNames
  activation: Activation | ParametricActivation
  /** Which projections have one. */
  bias?: { qkv?: boolean; out?: boolean; mlp?: boolean; head?: boolean }
  /** Factor on q·k; 1/√headSize when absent. */
  attentionScale?: number
  attentionCap?: number | undefined
  /** Factor on queries, by position. */
  queryScale?: (position: number) => number
  /** Factors on embeddings, on what a branch adds, and on logits. */
  embeddingScale?: number
  branchScale?: number
  logitScale?: number
  logitCap?: number | undefined
  /** The head is the embedding. */
  tied: boolean
  names?: Partial<DecoderNames>
}

export interface DecoderNames {
  embedding: string
  /** What the names of layer 0, 1, … begin with. */
  layers: string
  attention: string
  mlp: string
  norm: string
  head: string
}

const NAMES: DecoderNames = {
  embedding: 'model.embed_tokens',
  layers: 'model.layers',
  attention: 'self_attn',
  mlp: 'mlp',
  norm: 'model.norm',
  head: 'lm_head',
}

/** Llama's names (arXiv 2302.13971), which most have. */
export const PRE_NORM: BlockNorms = { attentionIn: 'input_layernorm', mlpIn: 'post_attention_layernorm' }
export const SEPARATE: Projections = { q: 'q_proj', k: 'k_proj', v: 'v_proj' }
export const GATED: MlpNames = { gate: 'gate_proj', up: 'up_proj', down: 'down_proj' }

/** The model that some settings describe. */
export function decoder(settings: DecoderSettings): Model {
  const { hiddenSize: H, vocabularySize: V, heads, kvHeads, headSize, bias = {} } = settings
  const names = { ...NAMES, ...settings.names }
  const parameters: Parameters = new Map([[`${names.embedding}.weight`, [V, H]]])
  const constants = new Set<string>()
  const blocks = settings.layers.map((layer, i) => {
    const prefix = `${names.layers}.${i}.`
    return { prefix, body: block(prefix, layer) }
  })
  const lastNorm = norm(names.norm)
  const head = settings.tied ? names.embedding : names.head
  parameters.set(`${head}.weight`, [V, H])
  if (bias.head) parameters.set(`${names.head}.bias`, [V])

  return {
    parameters,
    ...(constants.size ? { constants } : {}),
    vocabularySize: V,
    contextLength: settings.contextLength,
    layers: blocks.length,
    kvHeads,
    headSize,
    head: `${head}.weight`,
    ...(bias.head ? { headBias: `${names.head}.bias` } : {}),
    ...(settings.logitCap ? { logitCap: settings.logitCap } : {}),
    ...longTexts(settings.layers),
    hidden(nn) {
      let x = scaled(nn, nn.embed(`${names.embedding}.weight`), settings.embeddingScale) // [N,H]
      for (const { prefix, body } of blocks) x = nn.block(x, prefix, (y) => body(nn, y))
      return scaled(nn, lastNorm(nn, x), settings.logitScale)
    },
  }

  function block(prefix: string, layer: LayerSettings): Piece {
    const { attentionIn, attentionOut, mlpIn, mlpOut, parallel } = settings.blockNorms
    const attend = attention(`${prefix}${names.attention}`, layer)
    const feed = mlp(`${prefix}${names.mlp}`)
    const normed = (name: string | undefined): Piece => (name ? norm(`${prefix}${name}`) : (_, x) => x)
    const [beforeAttention, beforeMlp] = [normed(attentionIn), normed(mlpIn)]
    const [afterAttention, afterMlp] = [normed(attentionOut), normed(mlpOut)]
    const branch = (nn: Layers, y: Tensor) => scaled(nn, y, settings.branchScale)
    return (nn, input) => {
      const attended = branch(nn, afterAttention(nn, attend(nn, beforeAttention(nn, input))))
      const x = nn.g.add(input, attended)
      return nn.g.add(x, branch(nn, afterMlp(nn, feed(nn, beforeMlp(nn, parallel ? input : x)))))
    }
  }

  function attention(prefix: string, { rotary, window }: LayerSettings): Piece {
    const { projections, queryScale, queryKeyNorm } = settings
    const project =
      'joined' in projections ? joinedProjections(prefix, projections) : ownProjections(prefix, projections)
    const shape = {
      heads,
      kvHeads,
      headSize,
      scale: settings.attentionScale ?? 1 / Math.sqrt(headSize),
      ...(settings.attentionCap ? { cap: settings.attentionCap } : {}),
      ...(window ? { window } : {}),
    }
    const normQ = queryKeyNorm && headNorm(`${prefix}.${queryKeyNorm.q}`, heads, queryKeyNorm.over)
    const normK = queryKeyNorm && headNorm(`${prefix}.${queryKeyNorm.k}`, kvHeads, queryKeyNorm.over)
    const out = linear(`${prefix}.${settings.out}`, heads * headSize, H, bias.out)
    const turn = (nn: Layers, x: Tensor) => (rotary ? nn.rotate(x, headSize, rotary) : x)
    return (nn, x) => {
      const [q, k, v] = project(nn, x) // [N, heads·D], [N, kvHeads·D] twice
      const scale = (y: Tensor) => (queryScale ? nn.g.mul(y, nn.byPosition('query scale', queryScale)) : y)
      const turned = queryKeyNorm?.afterRotation
        ? nn.attention(scale(normQ!(nn, turn(nn, q))), normK!(nn, turn(nn, k)), v, shape)
        : nn.attention(scale(normQ?.(nn, q) ?? q), normK?.(nn, k) ?? k, v, { ...shape, ...(rotary ? { rotary } : {}) })
      return out(nn, turned)
    }
  }

  function ownProjections(prefix: string, { q, k, v }: Extract<Projections, { q: string }>) {
    const query = linear(`${prefix}.${q}`, H, heads * headSize, bias.qkv)
    const key = linear(`${prefix}.${k}`, H, kvHeads * headSize, bias.qkv)
    const value = linear(`${prefix}.${v}`, H, kvHeads * headSize, bias.qkv)
    return (nn: Layers, x: Tensor) => [query(nn, x), key(nn, x), value(nn, x)] as const
  }

  function joinedProjections(prefix: string, { joined, byHead }: Extract<Projections, { joined: string }>) {
    const all = linear(`${prefix}.${joined}`, H, (heads + 2 * kvHeads) * headSize, bias.qkv)
    return (nn: Layers, x: Tensor) => {
      const { g } = nn
      if (byHead) {
        const ofHead = g.reshape(all(nn, x), [`${prefix}N`, 3 * headSize]) // [N·heads, 3·D]
        return g.split(ofHead, 3, headSize).map((y) => g.reshape(y, ['N', heads * headSize])) as [
          Tensor,
          Tensor,
          Tensor,
        ]
      }
      // Equal parts, a kv head's worth of all kv heads each: the queries are the first of them.
      const [width, group] = [kvHeads * headSize, heads / kvHeads]
      const parts = g.split(all(nn, x), group + 2, width)
      const q = group === 1 ? parts[0]! : g.concat(parts.slice(0, group), 1, ['N', heads * headSize])
      return [q, parts[group]!, parts[group + 1]!] as const
    }
  }

  function headNorm(name: string, count: number, over: QueryKeyNorm['over']): Piece {
    if (over === 'all') return norm(name, count * headSize)
    if (over === 'head') {
      const apply = norm(name, headSize)
      return (nn, x) => {
        const perHead = nn.g.reshape(x, [`${name}N`, headSize]) // [N·heads, D]
        return nn.g.reshape(apply(nn, perHead), x.shape)
      }
    }
    const { epsilon } = settings.norm
    const listed = over === 'listed' ? Array.from({ length: count }, (_, i) => `${name}.norms.${i}.weight`) : null
    if (listed) for (const own of listed) parameters.set(own, [headSize])
    else parameters.set(`${name}.weight`, [count, headSize])
    return (nn, x) => {
      const { g } = nn
      const perHead = g.reshape(x, [`${name}N`, headSize]) // [N·heads, D]
      const ones = g.expand(g.scalar(1), [headSize])
      const normal = g.reshape(layerNorm(g, perHead, ones, null, epsilon), x.shape)
      const weight = listed
        ? g.concat(
            listed.map((own) => nn.parameter(own)),
            0,
            [count * headSize],
          )
        : g.reshape(nn.parameter(`${name}.weight`), [count * headSize])
      return g.mul(normal, weight)
    }
  }

  function mlp(prefix: string): Piece {
    const { mlp: parts, mlpSize: F } = settings
    const act = activation(prefix)
    if ('gateUp' in parts) {
      const both = linear(`${prefix}.${parts.gateUp}`, H, 2 * F, bias.mlp)
      const down = linear(`${prefix}.${parts.down}`, F, H, bias.mlp)
      return (nn, x) => {
        const [gate, up] = nn.g.split(both(nn, x), 2, F) // [N,F] each
        return down(nn, nn.g.mul(act(nn, gate!), up!))
      }
    }
    const gate = parts.gate ? linear(`${prefix}.${parts.gate}`, H, F, bias.mlp) : null
    const up = linear(`${prefix}.${parts.up}`, H, F, bias.mlp)
    const down = linear(`${prefix}.${parts.down}`, F, H, bias.mlp)
    return gate
      ? (nn, x) => down(nn, nn.g.mul(act(nn, gate(nn, x)), up(nn, x)))
      : (nn, x) => down(nn, act(nn, up(nn, x)))
  }

  function activation(prefix: string): Piece {
    const { activation: chosen } = settings
    if (typeof chosen === 'function') return chosen(prefix, parameters, constants)
    return (nn, x) => ACTIVATIONS[chosen](nn.g, x)
  }

  function norm(name: string, size = H): Piece {
    const { kind, epsilon, onePlus, bias: shifted } = settings.norm
    parameters.set(`${name}.weight`, [size])
    if (shifted) parameters.set(`${name}.bias`, [size])
    return (nn, x) => {
      const stored = nn.parameter(`${name}.weight`)
      const weight = onePlus ? nn.g.add(stored, nn.g.scalar(1)) : stored
      if (kind === 'rms') return rmsNorm(nn.g, x, weight, epsilon)
      return layerNorm(nn.g, x, weight, shifted ? nn.parameter(`${name}.bias`) : null, epsilon)
    }
  }

  function linear(name: string, from: number, to: number, hasBias = false): Piece {
    parameters.set(`${name}.weight`, [to, from])
    if (hasBias) parameters.set(`${name}.bias`, [to])
    return (nn, x) => nn.linear(x, name)
  }
}

const scaled = ({ g }: Layers, x: Tensor, factor = 1): Tensor => (factor === 1 ? x : g.mul(x, g.scalar(factor)))

function longTexts(layers: readonly LayerSettings[]): Pick<Model, 'longTexts'> {
  const limits = layers.flatMap(({ rotary }) => rotary?.inLongTexts?.above ?? [])
  return limits.length ? { longTexts: Math.min(...limits) } : {}
}
