import { GavelError } from '../../core/errors.ts'
import { SeededRng } from '../../core/rl/seeded-rng.ts'
import { Graph } from '../graph/graph.ts'
import type { WeightLayout } from '../graph/nn.ts'
import { elementCount } from '../graph/tensor.ts'
import type { Model } from '../models/model.ts'
import type { Weights } from '../models/weights.ts'
import { Session, type SessionOptions } from '../runtime/session.ts'
import { float32, type RuntimeTensor } from '../runtime/tensors.ts'
import { weightUses } from './weight-uses.ts'

export interface LoraSettings {
  rank: number
  alpha: number
  /** Last parts of the names of projections, such as `q_proj`; all projections when absent. */
  targets?: readonly string[] | undefined
}

/**
 * The model with low-rank adapters on its projections, which are then all that is trained.
 * Throws `invalid_request` where a target names no projection of the model.
 */
export function withLora(model: Model, { rank, alpha, targets }: LoraSettings): Model {
  const all = weightUses(model).projections
  const names = new Set([...all.keys()].map(lastPart))
  const unknown = targets?.find((target) => !names.has(target))
  if (unknown !== undefined) {
    throw new GavelError(
      'invalid_request',
      `lora.targets names ${JSON.stringify(unknown)}, but the projections of this model are ${[...names].join(', ')}`,
      { param: 'config.lora.targets' },
    )
  }
  const chosen = new Map([...all].filter(([name]) => targets?.includes(lastPart(name)) ?? true))
  const parameters = new Map<string, readonly number[]>()
  for (const [name, layout] of chosen) {
    const [rows, columns] = model.parameters.get(`${name}.weight`)! as [number, number]
    const [input, out] = layout === 'in-out' ? [rows, columns] : [columns, rows]
    parameters.set(`${name}.lora_A.weight`, [rank, input])
    parameters.set(`${name}.lora_B.weight`, [out, rank])
  }
  return {
    ...model,
    parameters: new Map([...model.parameters, ...parameters]),
    adapter: { rank, alpha, targets: chosen, parameters },
  }
}

export const lastPart = (name: string): string => name.slice(name.lastIndexOf('.') + 1)

/** Fresh adapters, as PEFT makes them: A uniform within ±1/√in, B zero, so that training begins at the model itself. */
export function initialAdapter({ adapter }: Model, seed: number): Weights {
  return new Map(
    [...adapter!.parameters].map(([name, shape]) => {
      const data = new Float32Array(elementCount(shape))
      if (name.endsWith('.lora_A.weight')) {
        const rng = new SeededRng(seed, 'lora', name)
        const bound = 1 / Math.sqrt(shape[1]!)
        for (let i = 0; i < data.length; i++) data[i] = (2 * rng.uniform() - 1) * bound
      }
      return [name, { data, shape }]
    }),
  )
}

/** The weights without adapters that give the same model: W + alpha/rank·B·A on every target, the rest shared. */
export async function mergedWeights(
  { adapter, parameters }: Model,
  weights: Weights,
  options: SessionOptions = {},
): Promise<Weights> {
  const merged = new Map([...weights].filter(([name]) => !adapter?.parameters.has(name)))
  if (!adapter) return merged
  const scale = adapter.alpha / adapter.rank
  for (const layout of new Set(adapter.targets.values())) {
    const session = await Session.create(mergeGraph(layout, scale), options)
    for (const [target, ownLayout] of adapter.targets) {
      if (ownLayout !== layout) continue
      const name = `${target}.weight`
      const shape = parameters.get(name)!
      const data = new Float32Array(elementCount(shape))
      const stored = (key: string): RuntimeTensor => float32(weights.get(key)!.data, weights.get(key)!.shape)
      await session.run(
        { w: stored(name), a: stored(`${target}.lora_A.weight`), b: stored(`${target}.lora_B.weight`) },
        { merged: float32(data, shape) },
      )
      merged.set(name, { data, shape })
    }
    await session.release()
  }
  return merged
}

function mergeGraph(layout: WeightLayout, scale: number): Graph {
  const g = new Graph()
  const a = g.input('a', 'float32', ['rank', 'in'])
  const b = g.input('b', 'float32', ['out', 'rank'])
  const flipped = layout === 'in-out'
  const w = g.input('w', 'float32', flipped ? ['in', 'out'] : ['out', 'in'])
  const [left, right] = flipped ? [a, b] : [b, a]
  g.output('merged', g.matmulInto(w, left, right, { transA: flipped, transB: flipped, alpha: scale }))
  return g
}
