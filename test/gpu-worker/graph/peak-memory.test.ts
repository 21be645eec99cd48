import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RECOMPUTE } from '../../../src/core/schemas/training.ts'
import { Graph } from '../../../src/gpu-worker/graph/graph.ts'
import { fileNodes } from '../../../src/gpu-worker/graph/onnx.ts'
import { peakMemory, runOrder } from '../../../src/gpu-worker/graph/peak-memory.ts'
import type { Tensor } from '../../../src/gpu-worker/graph/tensor.ts'
import { LOSSES, type LossName } from '../../../src/gpu-worker/losses/index.ts'
import { decodeGraph } from '../../../src/gpu-worker/rollout/decode-graph.ts'
import { withLora } from '../../../src/gpu-worker/training/lora.ts'
import { prefixSizes } from '../../../src/gpu-worker/training/prefix-groups.ts'
import { gradientGraph, logprobGraph } from '../../../src/gpu-worker/training/training-graph.ts'
import { withValueHead } from '../../../src/gpu-worker/training/value-head.ts'
import { fixtureModel } from '../../helpers/fixture-model.ts'

/** A graph of x [n], whose only output is what `build` makes of it. Blocks of 1 KB at n = 256. */
function peakOf(build: (g: Graph, x: Tensor) => Tensor): number {
  const g = new Graph()
  g.output('y', build(g, g.input('x', 'float32', ['n'])))
  return peakMemory(g)({ n: 256 })
}

describe('peakMemory, by hand', () => {
  test('inputs and outputs are the caller’s', () => {
    assert.equal(
      peakOf((g, x) => g.exp(x)),
      0,
    )
  })

  test('a result takes the place of an input that nobody else reads', () => {
    assert.equal(
      peakOf((g, x) => g.add(g.exp(g.neg(g.sqrt(x))), x)),
      1024,
    )
  })

  test('a result that is read later stays', () => {
    // √x is held while −√x is made beside it.
    assert.equal(
      peakOf((g, x) => {
        const root = g.sqrt(x)
        return g.add(g.neg(root), root)
      }),
      2048,
    )
  })

  test('an op that cannot work in place has input and output at once, and lets the input go', () => {
    const twice = (g: Graph, x: Tensor) => g.transpose(g.transpose(g.sqrt(x), [0]), [0])
    assert.equal(
      peakOf((g, x) => g.exp(twice(g, x))),
      2048,
    )
  })

  test('a view takes nothing, and keeps what it views', () => {
    // Its size is not known beforehand, so nothing is done in place: √x as [N,2], and exp of it.
    assert.equal(
      peakOf((g, x) => g.sumAll(g.exp(g.reshape(g.sqrt(x), ['N', 2])))),
      2048,
    )
  })

  test('shapes follow the types: 8 bytes an int64, whole grains of 256 bytes', () => {
    const g = new Graph()
    const i = g.input('i', 'int64', ['n'])
    g.output('y', g.cast(g.op('Add', [g.op('Add', [i, i]), i]), 'float32'))
    assert.equal(peakMemory(g)({ n: 33 }), 512)
  })

  test('every result of a node is there with it, and one that nobody reads goes with it', () => {
    const g = new Graph()
    const x = g.input('x', 'float32', ['n', 64])
    // y [4,64], and 1/rms [4,1], which nobody reads.
    const y = g.op('SimplifiedLayerNormalization', [x, g.input('w', 'float32', [64])], {
      attributes: { axis: -1, epsilon: { float: 1e-5 }, stash_type: 1 },
    })
    g.output('y', g.transpose(g.transpose(y, [1, 0]), [1, 0]))
    assert.equal(peakMemory(g)({ n: 4 }), 2048)
  })

  test('a dimension that nothing gives is an error', () => {
    assert.throws(() => {
      const g = new Graph()
      g.output('y', g.exp(g.exp(g.input('x', 'float32', ['n']))))
      return peakMemory(g)({})
    }, /how large the dimension n is/)
  })
})

test('runOrder runs each output as soon as what it needs is there, whatever was made first', () => {
  const g = new Graph()
  const x = g.input('x', 'float32', ['n'])
  const [a, b] = [g.exp(x), g.sqrt(x)]
  const [y, z] = [g.neg(a), g.neg(b)]
  g.output('y', y)
  g.output('z', z)
  const order = runOrder(fileNodes(g, [y, z])).map((node) => node.outputs[0])
  assert.deepEqual(order, [a, y, b, z])
})

describe('peakMemory of the engine’s graphs', () => {
  for (const name of ['llama', 'qwen3', 'gemma3', 'opt', 'gpt2'])
    test(`${name}: every size is known; grows with the batch, shrinks with what is computed again`, () => {
      const { model } = fixtureModel(name)
      const at = (peak: ReturnType<typeof peakMemory>, Q: number) =>
        peak({ ...prefixSizes({ Q, P: 4, A: 2, S: 4 }), M: 8 * Q })
      for (const trained of [withValueHead(model), withLora(withValueHead(model), { rank: 2, alpha: 4 })]) {
        for (const loss of Object.keys(LOSSES) as LossName[]) {
          if (loss === 'cross-entropy' && trained.adapter) continue
          const graphed = loss === 'policy-value' ? trained : model
          const peaks = RECOMPUTE.map((recompute) =>
            peakMemory(gradientGraph(graphed, loss, { maxTokens: 12, recompute })),
          )
          const [nothing, cheap, all] = peaks.map((peak) => at(peak, 40))
          assert.ok(nothing! > cheap! && cheap! > all!, `${loss}: ${nothing}, ${cheap}, ${all}`)
          for (const peak of peaks) assert.ok(at(peak, 8) > 1.9 * at(peak, 4))
        }
        const scoring = peakMemory(logprobGraph(trained, { maxTokens: 12 }))
        assert.ok(at(scoring, 8) > at(scoring, 4))
        const decode = peakMemory(decodeGraph(model, { capacity: 12, sample: true }))
        assert.ok(decode({ B: 4, S: 12, R: 4 }) > decode({ B: 4, S: 1, R: 4 }))
      }
    })
})
