import assert from 'node:assert/strict'
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { untrained, zerosLike, type Weights } from '../../../src/gpu-worker/models/weights.ts'
import { chooseDevice, deviceWish } from '../../../src/gpu-worker/runtime/device.ts'
import { fixInputs, Session } from '../../../src/gpu-worker/runtime/session.ts'
import { float32, float32Scalar } from '../../../src/gpu-worker/runtime/tensors.ts'
import { makeBatch } from '../../../src/gpu-worker/training/batch.ts'
import { initialAdapter, withLora } from '../../../src/gpu-worker/training/lora.ts'
import { gradientGraph, GRADIENT } from '../../../src/gpu-worker/training/training-graph.ts'
import { weightTensors } from '../../../src/gpu-worker/training/weight-tensors.ts'
import { tinyModel } from '../../helpers/fixture-model.ts'
import { NO_CUDA } from '../../helpers/no-cuda.ts'

const ROOT = join(import.meta.dirname, '../../..')

test('auto computes on the CPU where there is no CUDA, and says so in one line', async () => {
  assert.deepEqual(await chooseDevice('auto'), { device: 'cpu', note: NO_CUDA })
  const broken = () => Promise.resolve('CUDA does not work here (no device)')
  assert.deepEqual(await chooseDevice('auto', broken), {
    device: 'cpu',
    note: 'computing on the CPU: CUDA does not work here (no device); with GAVEL_DEVICE=cpu this is not said',
  })
})

test('auto takes CUDA where it works, cpu does not even try, and cuda is refused where it does not work', async () => {
  assert.deepEqual(await chooseDevice('auto', () => Promise.resolve(null)), { device: 'cuda', note: null })
  const neverAsked = () => Promise.reject(new Error('tried'))
  assert.deepEqual(await chooseDevice('cpu', neverAsked), { device: 'cpu', note: null })
  await assert.rejects(chooseDevice('cuda'), {
    code: 'unavailable_here',
    message: /^GAVEL_DEVICE is cuda, but onnxruntime-node has no CUDA libraries here/,
  })
})

test('a device that there is not is refused', () => {
  assert.equal(deviceWish(undefined), 'auto')
  assert.equal(deviceWish(''), 'auto')
  assert.throws(() => deviceWish('gpu'), { message: 'GAVEL_DEVICE is "gpu"; give auto, cpu, cuda' })
})

test('the process that tries CUDA answers in one line what is in the way', async () => {
  const probe = fork(join(ROOT, 'src/gpu-worker/runtime/probe-cuda.ts'), {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const [answer] = (await once(probe, 'message')) as [string]
  assert.match(answer, /^[^\n]*CUDA[^\n]*$/i)
  await once(probe, 'close')
})

test('a worker says once, when it starts, that it computes on the CPU', async () => {
  const args = [join(ROOT, 'bin/gavel.js'), 'worker', '--url', 'http://127.0.0.1:1', '--api-key', 'k']
  const lines = async (extra: string[]) => {
    const worker = spawn(process.execPath, [...args, ...extra])
    let said = ''
    worker.stderr.on('data', (chunk) => (said += chunk))
    while (!said.includes('cannot be reached') && worker.exitCode === null)
      await Promise.race([once(worker.stderr, 'data'), once(worker, 'close')])
    worker.kill('SIGTERM')
    await once(worker, 'close').catch(() => {})
    return said.split('\n').filter((line) => line && !line.includes('cannot be reached'))
  }
  assert.deepEqual(await Promise.all([lines([]), lines(['--device', 'cpu'])]), [[NO_CUDA], []])
})

test('an adapter is trained to the same bytes on a base that is a constant of the graph', async () => {
  const base = tinyModel(24)
  const model = withLora(base.model, { rank: 2, alpha: 4 })
  const weights: Weights = new Map([...base.weights, ...initialAdapter(model, 1)])
  const adapter: Weights = new Map([...weights].filter(([name]) => !base.weights.has(name)))
  const fixed = weightTensors(untrained(model, weights))
  assert.deepEqual(Object.keys(fixed), [...base.weights.keys()])

  const gradientWith = async (constants: boolean) => {
    const graph = gradientGraph(model, 'cross-entropy', { maxTokens: 16 })
    if (constants) assert.deepEqual([...fixInputs(graph, fixed)].sort(), [...base.weights.keys()].sort())
    const session = await Session.create(graph, { threads: 1 })
    const { inputs, tokens } = makeBatch([{ ids: [3, 7, 11, 2, 5], start: 2 }])
    const gradient = zerosLike(adapter)
    const state = weightTensors(gradient, GRADIENT)
    const given = { ...inputs, ...state, ...weightTensors(constants ? adapter : weights) }
    const ones = float32(new Float32Array(tokens).fill(1), [tokens])
    await session.run(
      { ...given, weights: ones, inverse_temperature: float32Scalar(1) },
      { ...state, loss: float32Scalar(0), logprobs: float32(new Float32Array(tokens), [tokens]) },
    )
    await session.release()
    return [...gradient].map(([name, { data }]) => [name, [...data]])
  }
  const expected = await gradientWith(false)
  assert.ok(expected.some(([, data]) => (data as number[]).some((x) => x !== 0)))
  assert.deepEqual(await gradientWith(true), expected)
})
