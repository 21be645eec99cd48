import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Limiter } from '../../../src/adapters/judges/limiter.ts'

/** Work that ends when told to, and what has begun. */
function works(limiter: Limiter) {
  const begun: string[] = []
  const gates = new Map<string, PromiseWithResolvers<void>>()
  return {
    begun,
    run: (name: string, signal?: AbortSignal) =>
      limiter.run(async () => {
        begun.push(name)
        gates.set(name, Promise.withResolvers())
        await gates.get(name)!.promise
        return name
      }, signal),
    async end(name: string, error?: Error) {
      if (error) gates.get(name)!.reject(error)
      else gates.get(name)!.resolve()
      for (let i = 0; i < 10; i++) await Promise.resolve()
    },
  }
}

test('so many at once, the others in turn; a failure frees its place', async () => {
  const { begun, run, end } = works(new Limiter(2))
  const all = ['a', 'b', 'c', 'd'].map((name) => run(name))
  const settled = Promise.allSettled(all)
  assert.deepEqual(begun, ['a', 'b'])
  await end('b', new Error('broken'))
  assert.deepEqual(begun, ['a', 'b', 'c'])
  await end('a')
  assert.deepEqual(begun, ['a', 'b', 'c', 'd'])
  await end('c')
  await end('d')
  assert.deepEqual(
    (await settled).map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  )
  void run('e')
  void run('f')
  void run('g')
  assert.deepEqual(begun.slice(4), ['e', 'f'], 'no place is lost or made')
})

test('who gives up waiting leaves no gap, and takes no place', async () => {
  const { begun, run, end } = works(new Limiter(1))
  const a = run('a')
  const aborting = new AbortController()
  const reason = new Error('changed my mind')
  const b = assert.rejects(run('b', aborting.signal), (error) => error === reason)
  const c = run('c')
  aborting.abort(reason)
  await b
  await assert.rejects(run('d', aborting.signal), (error) => error === reason)
  await end('a')
  assert.deepEqual(begun, ['a', 'c'])
  await end('c')
  assert.deepEqual(await Promise.all([a, c]), ['a', 'c'])
})
