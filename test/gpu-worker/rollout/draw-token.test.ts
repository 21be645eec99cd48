import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'
import { Graph } from '../../../src/gpu-worker/graph/graph.ts'
import { drawToken } from '../../../src/gpu-worker/rollout/decode-graph.ts'
import { Session } from '../../../src/gpu-worker/runtime/session.ts'
import { float32, float32Scalar, int64Buffer } from '../../../src/gpu-worker/runtime/tensors.ts'
import { assertClose } from '../../helpers/close.ts'
import { softmax } from '../../helpers/nd-array.ts'

/** Draws one token a row of logits [R,V], by that row's uniform number. */
async function draw(logits: number[][], uniforms: number[], inverseTemperature: number) {
  const [rows, V] = [logits.length, logits[0]!.length]
  const g = new Graph()
  drawToken(g, g.input('logits', 'float32', ['R', V]), V)
  const next = new BigInt64Array(rows)
  const logprob = new Float32Array(rows)
  const session = await Session.create(g, { threads: 1 })
  await session.run(
    {
      logits: float32(Float32Array.from(logits.flat()), [rows, V]),
      uniform: float32(Float32Array.from(uniforms), [rows, 1]),
      inverse_temperature: float32Scalar(inverseTemperature),
    },
    { next: int64Buffer(next, [rows, 1]), logprob: float32(logprob, [rows, 1]) },
  )
  await session.release()
  return { next: Array.from(next, Number), logprob: [...logprob] }
}

const rng = new SeededRng('draw')
/** More than two blocks of 256, the last not whole; some tokens banned, the first and the last among them. */
const LOGITS = Array.from({ length: 600 }, (_, i) => (i % 7 === 0 || i > 590 ? -Infinity : 4 * rng.uniform()))

test('the token is where the running sum of probabilities passes the uniform number', async () => {
  const probabilities = softmax(LOGITS.map((x) => x / 0.8))
  const uniforms = Array.from({ length: 400 }, (_, i) => (i + 0.5) / 400)
  const { next, logprob } = await draw(
    uniforms.map(() => LOGITS),
    uniforms,
    1 / 0.8,
  )
  let running = 0
  const ends = probabilities.map((p) => (running += p))
  uniforms.forEach((u, i) => {
    const id = next[i]!
    // To within rounding in single precision.
    assert.ok(u <= ends[id]! + 1e-5 && u >= ends[id]! - probabilities[id]! - 1e-5, `${u} gave ${id}`)
    assertClose([logprob[i]!], [Math.log(probabilities[id]!)], 1e-5)
  })
  assert.ok(new Set(next).size > 200)
})

test('the ends of the range give the first and the last token that have mass', async () => {
  const { next, logprob } = await draw([LOGITS, LOGITS, LOGITS], [0, 1 - 2 ** -24, 1], 1)
  assert.equal(next[0], 1)
  assert.equal(next[2], 590)
  assert.ok(logprob.every(Number.isFinite), `${logprob}`)
})

test('with all mass on one token, it is drawn whatever the number', async () => {
  const sure = LOGITS.map((_, i) => (i === 300 ? 0 : -Infinity))
  const uniforms = [0, 0.3, 0.999999, 1]
  const { next, logprob } = await draw(
    uniforms.map(() => sure),
    uniforms,
    1,
  )
  assert.deepEqual(next, [300, 300, 300, 300])
  assert.deepEqual(logprob, [0, 0, 0, 0])
})

test('at inverse temperature 0, the most likely token, with its log-probability at 1', async () => {
  const { next, logprob } = await draw(
    [
      [1, 3, 2],
      [5, 1, 1],
    ],
    [0.9, 0.9],
    0,
  )
  assert.deepEqual(next, [1, 0])
  assertClose(logprob, [Math.log(softmax([1, 3, 2])[1]!), Math.log(softmax([5, 1, 1])[0]!)], 1e-6)
})
