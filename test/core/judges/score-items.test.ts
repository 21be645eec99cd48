import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  cacheKey,
  longest,
  scoreItems,
  type CachedJudgment,
  type JudgmentCache,
  type ScoringJudge,
} from '../../../src/core/judges/score-items.ts'
import type { FirstTokenLogprobs, JudgeClient, JudgeRequest } from '../../../src/core/ports.ts'
import { WorkBudget } from '../../../src/core/work-budget.ts'
import type { Judge } from '../../../src/core/schemas/judge.ts'

const judge = {
  id: 'judge_1',
  template: { user: '{question}\n{answer}\n' },
  labels: { yes: 'Yes', no: 'No' },
  min_label_mass: 0.5,
}

const memoryCache = () => {
  const entries = new Map<string, CachedJudgment>()
  const cache: JudgmentCache = {
    getMany: async (_judge, keys) =>
      new Map(keys.flatMap((key) => (entries.has(key) ? [[key, entries.get(key)!]] : []))),
    async putMany(_judge, fresh) {
      for (const [key, value] of fresh) if (!entries.has(key)) entries.set(key, value)
      return new Map([...fresh.keys()].map((key) => [key, entries.get(key)!]))
    },
  }
  return { cache, entries }
}

/** Answers by what the prompt says, and remembers what it was asked. */
const scriptedClient = () => {
  const asked: JudgeRequest[][] = []
  const answer = ({ messages }: JudgeRequest): FirstTokenLogprobs | Error => {
    const text = messages[0]!.content
    if (text.includes('broken')) return new Error('502 from the provider')
    const tokens = text.includes('odd')
      ? ([['Well', 0.9]] as const)
      : ([
          ['Yes', 0.8],
          ['No', 0.2],
        ] as const)
    const logprobs = tokens.map(([token, p]) => ({ token, logprob: Math.log(p) }))
    return { logprobs, complete: false, usage: { promptTokens: 10, completionTokens: 1 } }
  }
  const client: JudgeClient = {
    firstTokenLogprobs: async (requests) => {
      asked.push(requests)
      return requests.map(answer)
    },
  }
  return { client, asked }
}

const item = (answer: string) => ({ question: 'q', answer })

const scoreOne = async (answer: string, by: ScoringJudge, client: JudgeClient, cache: JudgmentCache) =>
  (await scoreItems([item(answer)], by, client, cache))[0]!

test('answers in order, asks equal prompts once, and three outcomes stay apart', async () => {
  const { client, asked } = scriptedClient()
  const { cache, entries } = memoryCache()
  const scored = await scoreItems([item('good'), item('odd'), item('broken'), item('good')], judge, client, cache)
  assert.deepEqual(
    scored.map(({ outcome }) => outcome),
    ['scored', 'abstained', 'failed', 'scored'],
  )
  assert.deepEqual(
    asked.map((requests) => requests.map(({ labels }) => labels)),
    [Array(3).fill(['Yes', 'No'])],
  )
  const broken = scored[2]!
  assert.equal(broken.outcome === 'failed' && broken.reason, '502 from the provider')
  assert.deepEqual(
    scored.map(({ usage }) => usage.promptTokens),
    [10, 10, 0, 0],
  )
  assert.deepEqual(
    scored.map(({ usage }) => usage.completionTokens),
    [1, 1, 0, 0],
  )
  assert.equal(entries.size, 1)
})

test('a second time only what was not scored is asked again', async () => {
  const { client, asked } = scriptedClient()
  const { cache } = memoryCache()
  const items = [item('good'), item('odd'), item('broken')]
  const [first] = await scoreItems(items, judge, client, cache)
  const again = await scoreItems(items, judge, client, cache)
  assert.deepEqual(
    asked.map((requests) => requests.length),
    [3, 2],
  )
  assert.deepEqual(
    again.map(({ cached }) => cached),
    [true, false, false],
  )
  const [second] = again
  assert.ok(first?.outcome === 'scored' && second?.outcome === 'scored')
  assert.equal(second.probability, first.probability)
  assert.equal(second.usage.promptTokens, 0)
})

test('where nothing is scored, nothing is kept; what asking took is told all the same', async () => {
  const writes: number[][] = []
  const { cache } = memoryCache()
  const counting: JudgmentCache = {
    ...cache,
    putMany: async (version, fresh, used) => {
      writes.push([fresh.size, used.promptTokens])
      return cache.putMany(version, fresh, used)
    },
  }
  await scoreItems([item('odd'), item('broken')], judge, scriptedClient().client, counting)
  assert.deepEqual(writes.splice(0), [[0, 10]])
  await scoreItems([item('odd'), item('good')], judge, scriptedClient().client, counting)
  assert.deepEqual(writes, [[1, 20]])
})

test('another version of the judge shares nothing', async () => {
  const { client, asked } = scriptedClient()
  const { cache } = memoryCache()
  await scoreItems([item('good')], judge, client, cache)
  await scoreItems([item('good')], { ...judge, id: 'judge_2' }, client, cache)
  assert.equal(asked.length, 2)
})

test('a client that rejects or answers short fails the items, not the call', async () => {
  const { cache } = memoryCache()
  const rejects: JudgeClient = { firstTokenLogprobs: async () => Promise.reject(new Error('no route to host')) }
  const short: JudgeClient = { firstTokenLogprobs: async () => [] }
  const rejected = await scoreOne('a', judge, rejects, cache)
  assert.deepEqual([rejected.outcome, rejected.outcome === 'failed' && rejected.reason], ['failed', 'no route to host'])
  assert.equal((await scoreOne('a', judge, short, cache)).outcome, 'failed')
})

test('an abort is the caller’s own, not a failed item', async () => {
  const { cache } = memoryCache()
  const client: JudgeClient = { firstTokenLogprobs: async () => Promise.reject(new Error('aborted')) }
  await assert.rejects(
    scoreItems([item('a')], judge, client, cache, { signal: AbortSignal.abort(new Error('stop')) }),
    /stop/,
  )
})

test('no items, no call', async () => {
  const { client, asked } = scriptedClient()
  assert.deepEqual(await scoreItems([], judge, client, memoryCache().cache), [])
  assert.equal(asked.length, 0)
})

test('the cache key is the SHA-256 of version and prompt, and cannot be shifted between fields', async () => {
  const message = (role: 'user' | 'system', content: string) => ({ role, content })
  // printf '["judge_1",[["user","hi"]]]' | sha256sum
  const expected = 'cad5a9fa7cfde00c89345a201f8610ac509bc6479a12d12acd729aaf1a607a0d'
  assert.equal(await cacheKey('judge_1', [message('user', 'hi')]), expected)
  const others = await Promise.all([
    cacheKey('judge_1', [message('system', 'hi')]),
    cacheKey('judge_1', [message('user', 'h'), message('user', 'i')]),
    cacheKey('judge_', [message('user', '1hi')]),
  ])
  assert.equal(new Set([expected, ...others]).size, 4)
})

/** P(Yes) by the last line of the prompt. */
const byLine = (probabilities: Record<string, number>): JudgeClient => ({
  firstTokenLogprobs: async (requests) =>
    requests.map(({ messages }) => {
      const line = messages.at(-1)!.content.split('\n').at(-1)!
      const yes = probabilities[line]
      if (yes === undefined) return new Error(`nobody asks ${line}`)
      const logprobs = [
        { token: 'Yes', logprob: Math.log(0.8 * yes) },
        { token: 'No', logprob: Math.log(0.8 * (1 - yes)) },
      ]
      return { logprobs, complete: false, usage: { promptTokens: 10, completionTokens: 1 }, latencyMs: 100 * yes }
    }),
})
const debiased = {
  ...judge,
  template: { user: '{question}{answer}\nright? {labels}', inverted: { user: '{question}{answer}\nwrong? {labels}' } },
  debias: ['wording' as const, 'order' as const],
}
const ALL_WAYS = { 'right? Yes or No': 0.9, 'right? No or Yes': 0.7, 'wrong? Yes or No': 0.3, 'wrong? No or Yes': 0.5 }

test('a debiased judge gives the mean over wordings and orders, a Yes to "wrong?" counting against', async () => {
  const { cache, entries } = memoryCache()
  const scored = await scoreOne('a', debiased, byLine(ALL_WAYS), cache)
  // (0.9 + 0.7 + (1 − 0.3) + (1 − 0.5)) / 4
  assert.ok(scored.outcome === 'scored' && Math.abs(scored.probability - 0.7) < 1e-12)
  assert.deepEqual([scored.usage.promptTokens, scored.latencyMs, entries.size], [40, 90, 4])
  const again = await scoreOne('a', debiased, byLine({}), cache)
  assert.deepEqual([again.outcome, again.cached, again.usage.promptTokens], ['scored', true, 0])
  // With one of the four ways lost it is asked, and no longer from the cache.
  entries.delete([...entries.keys()][2]!)
  const [part] = await scoreItems([item('a')], debiased, byLine(ALL_WAYS), cache)
  assert.deepEqual([part!.outcome, part!.cached, part!.usage.promptTokens], ['scored', false, 10])
})

test('a judge debiased in one way only is asked twice', async () => {
  const score = async (debias: ('wording' | 'order')[]) => {
    const [scored] = await scoreItems([item('a')], { ...debiased, debias }, byLine(ALL_WAYS), memoryCache().cache)
    assert.ok(scored?.outcome === 'scored')
    return scored.probability
  }
  assert.ok(Math.abs((await score(['order'])) - (0.9 + 0.7) / 2) < 1e-12)
  assert.ok(Math.abs((await score(['wording'])) - (0.9 + 0.7) / 2) < 1e-12)
  assert.ok(Math.abs((await score([])) - 0.9) < 1e-12)
})

test('one way that gives no score leaves none, and says why', async () => {
  const { 'wrong? No or Yes': _, ...three } = ALL_WAYS
  const scored = await scoreOne('a', debiased, byLine(three), memoryCache().cache)
  assert.deepEqual([scored.outcome, 'reason' in scored && scored.reason], ['failed', 'nobody asks wrong? No or Yes'])
  assert.equal(scored.usage.promptTokens, 30)
})

test('of several ways that give no score, a failure goes before an abstention: asking again may mend it', async () => {
  /** By the last line of the prompt, what that way ends in; a score where nothing is said of it. */
  const ending = (ends: Record<string, 'odd' | 'broken'>): JudgeClient => {
    const { client } = scriptedClient()
    return {
      firstTokenLogprobs: (requests) =>
        client.firstTokenLogprobs(
          requests.map(({ messages, labels }) => {
            const line = messages.at(-1)!.content.split('\n').at(-1)!
            return { labels, messages: [{ role: 'user', content: ends[line] ?? line }] }
          }),
        ),
    }
  }
  const [first, second] = ['right? Yes or No', 'wrong? No or Yes'] as const
  const outcomeOf = async (ends: Record<string, 'odd' | 'broken'>) =>
    (await scoreItems([item('a')], debiased, ending(ends), memoryCache().cache))[0]!.outcome
  assert.equal(await outcomeOf({ [first]: 'odd', [second]: 'broken' }), 'failed')
  assert.equal(await outcomeOf({ [first]: 'broken', [second]: 'odd' }), 'failed')
  assert.equal(await outcomeOf({ [second]: 'odd' }), 'abstained')
  assert.equal(await outcomeOf({}), 'scored')
})

test('a calibrated judge gives both probabilities, and shares the cache of the version that was measured', async () => {
  const { client, asked } = scriptedClient()
  const { cache } = memoryCache()
  await scoreItems([item('good')], judge, client, cache)
  const map = { method: 'isotonic' as const, x: [0, 0.8, 1], y: [0, 0.4, 1] }
  const calibration = { base: 'judge_1', map } as unknown as NonNullable<Judge['calibration']>
  const scored = await scoreOne('good', { ...judge, id: 'judge_2', calibration }, client, cache)
  assert.ok(scored.outcome === 'scored' && scored.cached)
  assert.ok(Math.abs(scored.probability - 0.4) < 1e-9 && Math.abs(scored.raw! - 0.8) < 1e-9)
  assert.equal(asked.length, 1)
})

test('an item without the reference that the template shows fails alone', async () => {
  const { client, asked } = scriptedClient()
  const template = { user: '{question} {reference} {answer}' }
  const items = [item('good'), { ...item('good'), reference: '4' }]
  const [without, having] = await scoreItems(items, { ...judge, template }, client, memoryCache().cache)
  assert.ok(without?.outcome === 'failed' && having?.outcome === 'scored')
  assert.match(without.reason, /shows a reference answer, and the item has none/)
  assert.equal(asked[0]!.length, 1)
})

test('where another was first to ask the same, everyone gets what that one was told', async () => {
  const { cache, entries } = memoryCache()
  const { client } = scriptedClient()
  const late: JudgmentCache = { ...cache, getMany: async () => new Map() }
  await scoreItems([{ question: 'q', answer: 'a' }], judge, client, cache)
  const [key] = entries.keys()
  entries.set(key!, { probability: 0.7, labelMass: 0.95 })
  const [item, other] = await scoreItems(
    ['a', 'b'].map((answer) => ({ question: 'q', answer })),
    judge,
    client,
    late,
  )
  assert.ok(item?.outcome === 'scored' && other?.outcome === 'scored')
  assert.deepEqual([item.probability, item.labelMass, item.cached], [0.7, 0.95, false])
  assert.ok(Math.abs(other.probability - 0.8) < 1e-12)
})

test('a large batch is kept as it goes: what ends in the middle has not been paid for in vain', async () => {
  const { client, asked } = scriptedClient()
  const { cache, entries } = memoryCache()
  const stop = new AbortController()
  const stopping: JudgeClient = {
    async firstTokenLogprobs(requests, signal) {
      signal!.throwIfAborted()
      if (asked.length === 1) stop.abort(new Error('killed'))
      return client.firstTokenLogprobs(requests, signal)
    },
  }
  const items = Array.from({ length: 1000 }, (_, i) => item(`answer ${i}`))
  const part = await scoreItems(items, judge, stopping, cache, { signal: stop.signal })
  assert.ok(entries.size > 0 && entries.size < 1000, `${entries.size}`)
  const answered = part.filter(({ outcome }) => outcome === 'scored')
  assert.equal(answered.length, entries.size)
  assert.ok(part.every((one) => one.outcome === 'scored' || (one.outcome === 'failed' && one.reason === 'killed')))
  const before = entries.size
  asked.length = 0
  const scored = await scoreItems(items, judge, client, cache)
  assert.equal(scored.filter(({ cached }) => cached).length, before)
  // Parts are as large as the comment in the source says.
  assert.deepEqual(asked.map(({ length }) => length), [256, 232]) // prettier-ignore
  assert.ok(scored.every(({ outcome }) => outcome === 'scored'))
})

test('the latency of several is the longest that was measured, be it one alone; null where none was', () => {
  const of = (...times: (number | null)[]) => longest(times.map((latencyMs) => ({ latencyMs })))
  assert.deepEqual([of(20, null, 30, 10), of(null, 20), of(0), of(null), of()], [30, 20, 0, null, null])
})

test('a prompt that would be too long is never made: its item has failed, and the others are asked', async () => {
  const { client, asked } = scriptedClient()
  const greedy = { ...judge, template: { user: `{question}${'{answer}'.repeat(2600)}` }, max_answer_chars: 16_000 }
  const items = [...Array.from({ length: 8 }, (_, i) => item(`${i}`.repeat(16_000))), item('short')]
  const scored = await scoreItems(items, greedy, client, memoryCache().cache)
  const outcomes = scored.map((one) => [one.outcome, 'code' in one ? one.code : undefined])
  assert.deepEqual(outcomes, [...Array.from({ length: 8 }, () => ['failed', 'prompt_too_long']), ['scored', undefined]])
  assert.match(
    (scored[0] as { reason: string }).reason,
    /makes a prompt of 41600001 characters, and the most is 1000000/,
  )
  assert.deepEqual(asked.map(({ length }) => length), [1]) // prettier-ignore
})

test('prompts that come to too much together are refused before anybody is asked', async () => {
  const { client, asked } = scriptedClient()
  const work = new WorkBudget({ now: () => 0, worked: () => 0, due: () => false, next: async () => 0 }, null, 't')
  const question = 'q'.repeat(200_000)
  const items = Array.from({ length: 4096 }, (_, i) => ({ question, answer: `${i}` }))
  await assert.rejects(scoreItems(items, judge, client, memoryCache().cache, { work }), {
    code: 'too_large',
    param: 'items[671]',
  })
  assert.deepEqual(asked, [])
})

test('however long prompts are, few are held at a time', async () => {
  const { client, asked } = scriptedClient()
  const items = Array.from({ length: 60 }, (_, i) => ({ question: 'q'.repeat(190_000), answer: `${i}` }))
  const scored = await scoreItems(items, judge, client, memoryCache().cache)
  assert.ok(scored.every(({ outcome }) => outcome === 'scored'))
  for (const part of asked) assert.ok(part.length <= 22, `${part.length}`)
  assert.equal(asked.flat().length, 60)
  assert.deepEqual(asked.flat().map(({ messages }) => messages[0]!.content.slice(190_001, -1)), items.map(({ answer }) => answer)) // prettier-ignore
})

test('a budget that is used up in the middle leaves what was answered', async () => {
  const { client, asked } = scriptedClient()
  const clock = { time: 0 }
  const turns = { now: () => clock.time, worked: () => clock.time, due: () => false, next: async () => 0 }
  const work = new WorkBudget(turns, null, 't', { processorMs: 10, waitMs: 1e9, promptChars: 1e9 })
  const slow: JudgeClient = {
    firstTokenLogprobs: async (requests) => {
      const answers = await client.firstTokenLogprobs(requests)
      // What is spent meanwhile, on another part of the request.
      work.piece('elsewhere', () => (clock.time += 20))
      return answers
    },
  }
  const scored = await scoreItems(Array.from({ length: 300 }, (_, i) => item(`${i}`)), judge, slow, memoryCache().cache, { work }) // prettier-ignore
  assert.equal(asked.length, 1)
  assert.deepEqual([...new Set(scored.slice(0, 256).map(({ outcome }) => outcome))], ['scored'])
  assert.deepEqual([...new Set(scored.slice(256).map((one) => 'code' in one && one.code))], ['too_large'])
})
