import type { Gradients, Graph, Keeps, TapeEntry } from './graph.ts'
import type { GradientTerm } from './ops.ts'
import type { Tensor } from './tensor.ts'

/** Gathers gradients; only for tensors on a path from what is being differentiated. */
class Accumulator implements Gradients {
  private readonly g: Graph
  private readonly gradients: Map<Tensor, Tensor>
  private readonly wanted: Set<Tensor>

  constructor(g: Graph, wanted: Iterable<Tensor>, initial: Iterable<readonly [Tensor, Tensor]> = []) {
    this.g = g
    this.wanted = new Set(wanted)
    this.gradients = new Map(initial)
  }

  get(x: Tensor): Tensor | null {
    return this.gradients.get(x) ?? null
  }

  wants(x: Tensor): boolean {
    return this.wanted.has(x)
  }

  set(x: Tensor, gradient: Tensor): void {
    this.gradients.set(x, gradient)
  }

  add(x: Tensor, term: GradientTerm): void {
    if (!term || !this.wanted.has(x)) return
    const soFar = this.get(x)
    if (typeof term !== 'function') return this.set(x, term.into(soFar))
    // The one place where broadcasting is undone: what an input was spread over is summed.
    const share = this.g.sumTo(term(), x.shape)
    this.set(x, soFar ? this.g.add(soFar, share) : share)
  }

  /** Plays a tape backwards. Everything that depends on a wanted tensor becomes wanted itself. */
  play(tape: readonly TapeEntry[]): void {
    for (const { inputs, outputs } of tape) {
      if (inputs.some((x) => x && this.wanted.has(x))) outputs.forEach((y) => this.wanted.add(y))
    }
    for (const entry of tape.toReversed()) {
      if (!entry.inputs.some((x) => x && this.wanted.has(x))) continue
      if (entry.outputs.some((y) => this.gradients.has(y))) this.g.untaped(() => entry.backward(this))
    }
  }
}

/**
 * d(loss)/d(x) for each x in `wrt`, by reverse mode over everything taped so far. `initial` holds tensors
 * to add each gradient to (gradient accumulation). Throws where the loss does not depend on an x.
 */
export function gradients(
  g: Graph,
  loss: Tensor,
  wrt: readonly Tensor[],
  initial: ReadonlyMap<Tensor, Tensor> = new Map(),
): Tensor[] {
  const accumulator = new Accumulator(g, wrt, initial)
  accumulator.set(loss, g.scalar(1))
  accumulator.play(g.currentTape)
  return wrt.map((x, i) => {
    const gradient = accumulator.get(x)
    if (!gradient || gradient === initial.get(x)) throw new Error(`the loss does not depend on tensor ${i}`)
    return gradient
  })
}

/**
 * Activation checkpointing: y = body(x), keeping for the backward pass only x and the results that `keeps` chooses;
 * the rest is computed again. That happens when its gradient is due, since nothing asks for it before (see onnx.ts).
 * `parameters` are the other tensors that `body` reads and that may take gradients.
 */
export function checkpoint(
  g: Graph,
  x: Tensor,
  parameters: readonly Tensor[],
  keeps: Keeps,
  body: (x: Tensor) => Tensor,
): Tensor {
  return g.composite(
    [x, ...parameters],
    () => body(x),
    (outer, dy) => {
      const { result: y, tape } = g.emitAgain(keeps, () => g.taped(() => body(x)))
      const own = [x, ...parameters].filter((t) => outer.wants(t))
      const soFar = own.flatMap((t) => (outer.get(t) ? [[t, outer.get(t)!] as const] : []))
      const inner = new Accumulator(g, own, soFar)
      inner.set(y, dy)
      inner.play(tape)
      for (const t of own) if (inner.get(t)) outer.set(t, inner.get(t)!)
    },
  )
}
