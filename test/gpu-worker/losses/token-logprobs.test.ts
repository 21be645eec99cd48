import { test } from 'node:test'
import { gradients } from '../../../src/gpu-worker/graph/autodiff.ts'
import { Graph } from '../../../src/gpu-worker/graph/graph.ts'
import { tokenLogprobs } from '../../../src/gpu-worker/losses/token-logprobs.ts'
import { assertClose } from '../../helpers/close.ts'
import { softmax, sum } from '../../helpers/nd-array.ts'
import { runGraph } from '../../helpers/run-graph.ts'

const [M, H, V] = [3, 2, 4]
const HIDDEN = [0.5, -1, 2, 0.25, -0.75, 1]
const HEAD = [1, 0.5, -0.25, 2, 0.75, -1, 0.1, 0.2]
/** One target twice: both of its shares must reach the head's row. */
const TARGETS = [2, 0, 2]
const COTANGENT = [1, -2, 0.5]
const INVERSE = 1 / 0.7
const BIAS = [0.3, -0.2, 0.1, 0.5]

interface After {
  bias?: readonly number[]
  cap?: number
}

function reference(hidden: readonly number[], head: readonly number[], { bias, cap }: After): number[] {
  return TARGETS.map((target, m) => {
    const logits = Array.from({ length: V }, (_, v) => {
      const z = sum(Array.from({ length: H }, (_, h) => hidden[m * H + h]! * head[v * H + h]!)) + (bias?.[v] ?? 0)
      return (cap ? cap * Math.tanh(z / cap) : z) * INVERSE
    })
    return Math.log(softmax(logits)[target]!)
  })
}

for (const [accumulating, after, how] of [
  [false, {}, 'from nothing'],
  [true, {}, 'added to what is there'],
  [false, { bias: BIAS }, 'of a head with a bias'],
  [true, { cap: 1.5 }, 'capped, added to what is there'],
  [true, { bias: BIAS, cap: 1.5 }, 'capped, with a bias'],
] satisfies [boolean, After, string][]) {
  test(`log-probabilities at a temperature, and gradients by differences, ${how}`, async () => {
    const g = new Graph()
    const hidden = g.input('hidden', 'float32', [M, H])
    const head = g.input('head', 'float32', [V, H])
    const before = g.input('before', 'float32', [V, H])
    const inverse = g.input('inverse', 'float32', [])
    const bias = g.input('bias', 'float32', [V])
    const settings = { bias: 'bias' in after ? bias : undefined, cap: 'cap' in after ? after.cap : undefined }
    const logprobs = tokenLogprobs(g, hidden, head, settings, g.ints(TARGETS), inverse)
    g.output('logprobs', logprobs)
    const loss = g.sumAll(g.mul(logprobs, g.constant(Float32Array.from(COTANGENT), [M])))
    const found = gradients(
      g,
      loss,
      [hidden, head, ...(settings.bias ? [bias] : [])],
      new Map(accumulating ? [[head, before]] : []),
    )
    g.output('dHidden', found[0]!)
    g.output('dHead', found[1]!)
    if (settings.bias) g.output('dBias', found[2]!)
    const results = await runGraph(g, {
      hidden: { type: 'float32', shape: [M, H], data: HIDDEN },
      head: { type: 'float32', shape: [V, H], data: HEAD },
      before: { type: 'float32', shape: [V, H], data: HEAD.map(() => 10) },
      bias: { type: 'float32', shape: [V], data: BIAS },
      inverse: { type: 'float32', shape: [], data: [INVERSE] },
    })

    const step = 1e-6
    const total = (hidden: readonly number[], head: readonly number[], settings: After = after) =>
      sum(reference(hidden, head, settings).map((x, m) => x * COTANGENT[m]!))
    const slope = (f: (x: readonly number[]) => number, x: readonly number[]) =>
      x.map((v, i) => (f(x.with(i, v + step)) - f(x.with(i, v - step))) / (2 * step))
    assertClose(results.logprobs!, reference(HIDDEN, HEAD, after), 1e-6, 'log-probs')
    assertClose(
      results.dHidden!,
      slope((x) => total(x, HEAD), HIDDEN),
      1e-5,
      'd hidden',
    )
    const added = accumulating ? 10 : 0
    assertClose(
      results.dHead!,
      slope((x) => total(HIDDEN, x), HEAD).map((d) => d + added),
      1e-5,
      'd head',
    )
    if (!results.dBias) return
    const ofBias = (bias: readonly number[]) => total(HIDDEN, HEAD, { ...after, bias })
    assertClose(results.dBias, slope(ofBias, BIAS), 1e-5, 'd bias')
  })
}
