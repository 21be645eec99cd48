import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { GavelError } from '../../../src/core/errors.ts'
import { CallProcess, type CallProcessOptions } from '../../../src/gpu-worker/child-process/call-process.ts'
import type { EchoProtocol } from '../../helpers/echo-process.ts'

const opened: CallProcess<EchoProtocol>[] = []
after(() => Promise.all(opened.map((echo) => echo.close())))

function echoProcess(change: Partial<CallProcessOptions<EchoProtocol>> = {}): CallProcess<EchoProtocol> {
  const echo = new CallProcess<EchoProtocol>({
    script: new URL('../../helpers/echo-process.ts', import.meta.url),
    prepare: async () => ({ order: { refuse: false } }),
    died: (how) => new GavelError('model_unavailable', `the process ${how}`),
    ...change,
  })
  opened.push(echo)
  return echo
}

test('gives each call its own parts, then its result', async () => {
  const echo = echoProcess()
  const hear = async (say: string[]) => {
    const parts: string[] = []
    const result = await echo.call({ say, then: 'return' }, { onPart: (part) => parts.push(part) })
    return [...parts, result]
  }
  assert.deepEqual(await Promise.all([hear(['a', 'b']), hear([]), hear(['c'])]), [['a', 'b', 2], [0], ['c', 1]])
})

test('an error keeps its code and field, and the process goes on', async () => {
  const echo = echoProcess()
  const pid = await echo.ready()
  await assert.rejects(echo.call({ say: [], then: 'fail' }), {
    name: 'GavelError',
    code: 'prompt_too_long',
    message: 'too long',
    param: 'prompt',
  })
  assert.equal(await echo.ready(), pid)
})

test('a call that is given up rejects at once and is stopped', async () => {
  const echo = echoProcess()
  const abort = new AbortController()
  const parts: string[] = []
  const call = echo.call({ say: ['begun'], then: 'wait' }, { signal: abort.signal, onPart: (part) => parts.push(part) })
  while (parts.length === 0) await sleep(5)
  abort.abort(new Error('enough'))
  await assert.rejects(call, { message: 'enough' })
  while (parts.length === 1) await sleep(5)
  assert.deepEqual(parts, ['begun', 'stopped waiting'])
  await assert.rejects(echo.call({ say: [], then: 'return' }, { signal: abort.signal }), { message: 'enough' })
})

test('a process that dies takes its calls with it, and the next call starts another', async () => {
  let cleaned = 0
  const echo = echoProcess({ prepare: async () => ({ order: { refuse: false }, cleanUp: () => cleaned++ }) })
  const pid = await echo.ready()
  const waiting = assert.rejects(echo.call({ say: [], then: 'wait' }), {
    code: 'model_unavailable',
    message: /ended with status 3/,
  })
  await assert.rejects(echo.call({ say: [], then: 'crash' }), { message: /ended with status 3/ })
  await waiting
  assert.equal(cleaned, 1)
  assert.equal(await echo.call({ say: ['x'], then: 'return' }), 1)
  assert.notEqual(await echo.ready(), pid)
})

test('what could not be opened is tried anew', async () => {
  const orders = [new Error('no disk'), { refuse: true }, { refuse: false }]
  const echo = echoProcess({
    async prepare() {
      const order = orders.shift()!
      if (order instanceof Error) throw order
      return { order }
    },
  })
  await assert.rejects(echo.ready(), { message: 'no disk' })
  await assert.rejects(echo.call({ say: [], then: 'return' }), { code: 'corrupt_model', param: 'model' })
  assert.equal(await echo.call({ say: [], then: 'return' }), 0)
})

test('without calls for long enough, the process is ended; a call in time keeps it', async () => {
  const echo = echoProcess({ idleMs: 150 })
  await echo.call({ say: [], then: 'return' })
  const pid = await echo.ready()
  const alive = () => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }
  assert.ok(alive())
  while (alive()) await sleep(20)
  assert.notEqual(await echo.ready(), pid)
})

test('one that is told to be ready, and never called, is ended too; a call under way is not idleness', async () => {
  const echo = echoProcess({ idleMs: 150 })
  const pid = await echo.ready()
  while ((await echo.ready()) === pid) await sleep(20)

  const abort = new AbortController()
  const waiting = echo.call({ say: [], then: 'wait' }, { signal: abort.signal })
  const outcome = waiting.catch((error: unknown) => error)
  assert.equal(await Promise.race([outcome, sleep(500).then(() => 'still waiting')]), 'still waiting')
  abort.abort(new Error('enough'))
  assert.equal(((await outcome) as Error).message, 'enough')
})

test('one that is blocked is ended after its limit, and the next call starts another; one that only waits is not', async () => {
  const echo = echoProcess({ stallSeconds: 1 })
  const first = await echo.ready()
  const waiting = echo.call({ say: [], then: 'wait' }, { signal: AbortSignal.timeout(2500) })
  await assert.rejects(waiting, { name: 'TimeoutError' })
  assert.equal(await echo.ready(), first)
  await assert.rejects(echo.call({ say: [], then: 'block' }), {
    code: 'model_unavailable',
    message: /the process got no further for [12] s while it worked on its rows and their texts/,
  })
  assert.equal(await echo.call({ say: ['a'], then: 'return' }), 1)
  assert.notEqual(await echo.ready(), first)
})
