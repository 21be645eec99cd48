import type { Model } from '../models/model.ts'
import { float32, type RuntimeTensor } from '../runtime/tensors.ts'
import { cacheNames, paddedHeadSize } from './decode-layers.ts'

/** Bytes a cache may take where nobody says otherwise. */
export const CACHE_BUDGET = 2 ** 30

/** How many texts fit a cache of at most `budget` bytes: at least one, at most `wanted`. */
export function slotsWithin(model: Model, capacity: number, wanted: number, budget = CACHE_BUDGET): number {
  return Math.max(1, Math.min(wanted, Math.floor(budget / cacheBytes(model, capacity))))
}

/** Bytes of one text's keys and values. */
export const cacheBytes = ({ layers, kvHeads, headSize }: Model, capacity: number): number =>
  4 * 2 * layers * kvHeads * capacity * paddedHeadSize(headSize)

/**
 * Keys and values of the texts under way, a slot each. Slots in use are kept together at the front, so that
 * any run of slots is one piece of memory and can be handed to a run as it is.
 */
export class KvCache {
  readonly capacity: number
  private readonly names: string[]
  private readonly buffers: Float32Array[]
  private readonly slotShape: readonly [number, number, number]
  private readonly slotSize: number

  /** @param capacity longest text, in tokens */
  constructor(model: Model, slots: number, capacity: number) {
    this.capacity = capacity
    this.slotShape = [model.kvHeads, capacity, paddedHeadSize(model.headSize)]
    this.slotSize = this.slotShape.reduce((a, b) => a * b)
    this.names = cacheNames(model)
    this.buffers = this.names.map(() => new Float32Array(slots * this.slotSize))
  }

  /** The slots from..to−1 as a run's cache inputs and outputs, [slots, kvHeads, capacity, headSize] each. */
  tensors(from: number, to: number): Record<string, RuntimeTensor> {
    const shape = [to - from, ...this.slotShape]
    return Object.fromEntries(
      this.names.map((name, i) => [
        name,
        float32(this.buffers[i]!.subarray(from * this.slotSize, to * this.slotSize), shape),
      ]),
    )
  }

  /** Copies the first `tokens` positions of one slot over another. */
  copy(from: number, to: number, tokens: number): void {
    if (from === to) return
    const [kvHeads, capacity, headSize] = this.slotShape
    for (const buffer of this.buffers) {
      for (let head = 0; head < kvHeads; head++) {
        const start = from * this.slotSize + head * capacity * headSize
        buffer.copyWithin(to * this.slotSize + head * capacity * headSize, start, start + tokens * headSize)
      }
    }
  }
}
