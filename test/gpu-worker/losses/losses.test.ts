import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gradients } from '../../../src/gpu-worker/graph/autodiff.ts'
import { Graph } from '../../../src/gpu-worker/graph/graph.ts'
import { LOSSES, type LossName } from '../../../src/gpu-worker/losses/index.ts'
import { assertClose } from '../../helpers/close.ts'
import { runGraph, type Value } from '../../helpers/run-graph.ts'

interface Case {
  perToken: Record<string, number[]>
  settings: Record<string, number>
  /** One token's loss in double precision. */
  expected: (logprob: number, at: (name: string) => number) => number
}

/** On both sides of both bounds of the clip range, with advantages of either sign, and inside it. */
const LOGPROBS = [-1, -1, -1, -1, -2, -0.5]
const CASES: Record<LossName, Case> = {
  'cross-entropy': { perToken: {}, settings: {}, expected: (logprob) => -logprob },
  'policy-clip': {
    perToken: {
      old: [-1.5, -1.5, -0.5, -0.5, -2.1, -0.4],
      advantage: [1, -1, 1, -1, 0.7, 0],
      reference: [-1.2, -0.8, -1, -2, -1.5, -3],
    },
    settings: { clip: 0.2, kl: 0.1 },
    expected: (logprob, at) => {
      const ratio = Math.exp(logprob - at('old'))
      const advantage = at('advantage')
      const bounded = Math.min(Math.max(ratio, 1 - at('clip')), 1 + at('clip'))
      const gap = at('reference') - logprob
      return -Math.min(ratio * advantage, bounded * advantage) + at('kl') * (Math.exp(gap) - gap - 1)
    },
  },
}

test('every loss has a case', () => {
  assert.deepEqual(Object.keys(CASES).sort(), Object.keys(LOSSES).sort())
})

for (const [name, { perToken, settings, expected }] of Object.entries(CASES) as [LossName, Case][]) {
  test(`${name}: values, and gradients by differences`, async () => {
    const g = new Graph()
    const M = LOGPROBS.length
    const logprobs = g.input('logprobs', 'float32', [M])
    const loss = LOSSES[name]({
      g,
      logprobs,
      perToken: (name) => g.input(name, 'float32', [M]),
      setting: (name) => g.input(name, 'float32', []),
    })
    g.output('loss', loss)
    g.output('gradient', gradients(g, g.sumAll(loss), [logprobs])[0]!)
    const column = (data: number[]): Value => ({ type: 'float32', shape: [M], data })
    const results = await runGraph(g, {
      logprobs: column(LOGPROBS),
      ...Object.fromEntries(Object.entries(perToken).map(([name, data]) => [name, column(data)])),
      ...Object.fromEntries(
        Object.entries(settings).map(([name, value]) => [name, { type: 'float32', shape: [], data: [value] } as const]),
      ),
    })
    const at = (i: number) => (name: string) => settings[name] ?? perToken[name]![i]!
    const step = 1e-6
    const slope = (x: number, i: number) => (expected(x + step, at(i)) - expected(x - step, at(i))) / (2 * step)
    assertClose(
      results.loss!,
      LOGPROBS.map((x, i) => expected(x, at(i))),
      1e-6,
      'loss',
    )
    assertClose(results.gradient!, LOGPROBS.map(slope), 1e-5, 'gradient')
  })
}
