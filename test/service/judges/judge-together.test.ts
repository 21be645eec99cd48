import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ScoredItem } from '../../../src/core/judges/score-items.ts'
import { judgeTogether } from '../../../src/service/judges/judge-together.ts'
import { countingJudge } from '../../contracts/api.ts'
import { testApp } from '../../helpers/test-app.ts'

const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }
const asking = { tenant: 'default', key: 'key_1' }
const items = (...answers: string[]) => answers.map((answer) => ({ question: `q ${answer}`, answer }))
const many = (count: number, from = 0) => items(...Array.from({ length: count }, (_, i) => `${from + i}`))
const likes5 = (scored: ScoredItem[]) => scored.map((one) => one.outcome === 'scored' && one.probability > 0.5)

/** The judge `j`, and of each call of its provider how many prompts it had, and what they asked. */
async function opened(judgeWindowMs: number) {
  const calls: number[] = []
  const prompts: string[][] = []
  const counting = countingJudge()
  const app = await testApp({
    judgeWindowMs,
    judgeClient: (...given) => {
      const client = counting.judgeClient(...given)
      const firstTokenLogprobs: typeof client.firstTokenLogprobs = (requests, signal) => {
        calls.push(requests.length)
        prompts.push(requests.map(({ messages }) => messages.at(-1)!.content))
        return client.firstTokenLogprobs(requests, signal)
      }
      return { ...client, firstTokenLogprobs }
    },
  })
  await app.json('/v1/judges', { json: { name: 'j', provider } })
  const ask = (asked: ReturnType<typeof items>, key = 'key_1', budget?: { items: number; per: 'day' }) =>
    judgeTogether(app.deps, { ...asking, key, budget }, 'j', 'judge', asked)
  return { app, calls, prompts, ask }
}

test('requests of one key within the window are one call, and each gets its own answers in its own order', async () => {
  const { app, calls, ask } = await opened(20)
  const [one, other, apart] = await Promise.all([
    ask(items('5', '1')),
    ask(items('0', '25')),
    ask(items('15'), 'key_2'),
  ])
  assert.deepEqual([one, other, apart].map(likes5), [[true, false], [false, true], [true]]) // prettier-ignore
  assert.deepEqual(calls.toSorted(), [1, 4])
  app.close()
})

test('as many as go together do not wait for the window', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { app, calls, ask } = await opened(1000)
  const first = ask(many(255))
  assert.deepEqual(calls, [])
  await Promise.all([first, ask(many(1, 255))])
  assert.deepEqual(calls, [256])
  await ask(many(256, 300))
  assert.deepEqual(calls, [256, 256])
  app.close()
})

test('those who come after a full call have a window of their own', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { app, calls, ask } = await opened(1000)
  await ask(many(256))
  t.mock.timers.tick(500)
  const early = ask(many(1, 300))
  t.mock.timers.tick(500)
  const late = ask(many(1, 400))
  t.mock.timers.tick(500)
  await Promise.all([early, late])
  assert.deepEqual(calls, [256, 2])
  app.close()
})

test('answers to one question stand side by side, whoever asks', async () => {
  const { app, prompts, ask } = await opened(20)
  const of = (question: string, answer: string) => ({ question, answer })
  const all = await Promise.all([
    ask([of('beta?', '5'), of('alpha?', '1')]),
    ask([of('alpha?', '5'), of('beta?', '1')]),
  ])
  assert.deepEqual(prompts[0]!.map((text) => /(alpha|beta)\?/.exec(text)![1]), ['alpha', 'alpha', 'beta', 'beta']) // prettier-ignore
  assert.deepEqual(all.map(likes5), [[true, false], [true, false]]) // prettier-ignore
  app.close()
})

test('without a window nobody waits', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { app, calls, ask } = await opened(0)
  await Promise.all([ask(items('5')), ask(items('6'))])
  assert.deepEqual(calls, [1, 1])
  app.close()
})

test('what a budget does not allow for together it may allow for one by one', async () => {
  const { app, ask } = await opened(20)
  const budget = { items: 3, per: 'day' as const }
  const [one, other, third] = await Promise.allSettled(
    [items('1', '2'), items('5'), items('7')].map((each) => ask(each, 'key_1', budget)),
  )
  assert.deepEqual([one!.status, other!.status, third!.status], ['fulfilled', 'fulfilled', 'rejected'])
  assert.equal(third?.status === 'rejected' && (third.reason as { code: string }).code, 'budget_spent')
  app.close()
})

test('an error is everyone’s who waited', async (t) => {
  const { app } = await opened(20)
  const find = t.mock.method(app.deps.database.judges, 'find')
  const both = ['1', '2'].map((answer) => judgeTogether(app.deps, asking, 'nobody', 'judge', items(answer)))
  for (const { status } of await Promise.allSettled(both)) assert.equal(status, 'rejected')
  assert.equal(find.mock.callCount(), 1, 'to be asked one by one mends nothing')
  app.close()
})
