import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CachedJudgment, JudgmentCache } from '../../../src/core/judges/score-items.ts'
import { scoreLabels, type LabelQuestion } from '../../../src/core/judges/score-labels.ts'
import type { JudgeClient, JudgeRequest } from '../../../src/core/ports.ts'

const judge = { id: 'judge_1', min_label_mass: 0.5 }
const question = (content: string, ...labels: string[]): LabelQuestion => ({
  messages: () => [{ role: 'user', content }],
  at: 'question',
  labels: labels.length > 0 ? labels : ['A', 'B', 'C'],
})

function memoryCache() {
  const entries = new Map<string, CachedJudgment>()
  let writes = 0
  const cache: JudgmentCache = {
    getMany: async (_judge, keys) =>
      new Map(keys.flatMap((key) => (entries.has(key) ? [[key, entries.get(key)!]] : []))),
    async putMany(_judge, fresh) {
      if (fresh.size > 0) writes++
      for (const [key, value] of fresh) entries.set(key, value)
      return new Map(fresh)
    },
  }
  return { cache, entries, writes: () => writes }
}

/** Says each label with half the probability of the one before, 0.8 in all; "odd" is answered with another word. */
function halving() {
  const asked: JudgeRequest[][] = []
  const client: JudgeClient = {
    firstTokenLogprobs: async (requests) => {
      asked.push(requests)
      return requests.map(({ messages, labels }) => {
        const total = labels.reduce((sum, _, i) => sum + 2 ** -i, 0)
        const logprobs = messages[0]!.content.includes('odd')
          ? [{ token: 'Well', logprob: Math.log(0.9) }]
          : labels.map((token, i) => ({ token, logprob: Math.log((0.8 * 2 ** -i) / total) }))
        return { logprobs, complete: false, usage: { promptTokens: 10, completionTokens: 1 } }
      })
    },
  }
  return { client, asked }
}

test('p(label) over the labels, in their order, and the mass that they have together', async () => {
  const { client } = halving()
  const [scores] = await scoreLabels([question('q')], judge, client, memoryCache().cache)
  assert.ok(scores?.outcome === 'scored')
  scores.probabilities.forEach((p, i) => assert.ok(Math.abs(p - [4 / 7, 2 / 7, 1 / 7][i]!) < 1e-12))
  assert.ok(Math.abs(scores.labelMass - 0.8) < 1e-12)
  assert.deepEqual([scores.cached, scores.usage], [false, { promptTokens: 10, completionTokens: 1 }])
})

test('a label that the judge does not tell of has no probability, and spoils none', async () => {
  const client: JudgeClient = {
    firstTokenLogprobs: async () => [
      { logprobs: [{ token: 'B', logprob: -800 }], complete: true, usage: { promptTokens: 1, completionTokens: 1 } },
    ],
  }
  const [scores] = await scoreLabels([question('q')], { ...judge, min_label_mass: 0 }, client, memoryCache().cache)
  assert.equal(scores!.outcome, 'abstained')
  const some: JudgeClient = {
    firstTokenLogprobs: async () => [
      { logprobs: [{ token: 'B', logprob: -0.1 }], complete: true, usage: { promptTokens: 1, completionTokens: 1 } },
    ],
  }
  const [alone] = await scoreLabels([question('q')], judge, some, memoryCache().cache)
  assert.deepEqual(alone?.outcome === 'scored' && alone.probabilities, [0, 1, 0])
})

test('equal questions are asked once and paid for once; other labels make another question', async () => {
  const { client, asked } = halving()
  const questions = [question('q'), question('q'), question('q', 'A', 'B'), question('r')]
  const scores = await scoreLabels(questions, judge, client, memoryCache().cache)
  assert.deepEqual(asked.map(({ length }) => length), [3]) // prettier-ignore
  assert.deepEqual(scores.map(({ usage }) => usage.promptTokens), [10, 0, 10, 10]) // prettier-ignore
  assert.deepEqual(scores.map((each) => each.outcome === 'scored' && each.probabilities.length), [3, 3, 2, 3]) // prettier-ignore
})

test('what was scored is known the next time, the same to the last bit; what was not is asked again', async () => {
  const { client, asked } = halving()
  const { cache, entries, writes } = memoryCache()
  const questions = [question('q'), question('odd')]
  const first = await scoreLabels(questions, judge, client, cache)
  assert.deepEqual(first.map(({ outcome }) => outcome), ['scored', 'abstained']) // prettier-ignore
  assert.deepEqual([first[1]!.usage.promptTokens, first[1]!.cached, entries.size], [10, false, 3])
  const second = await scoreLabels(questions, judge, client, cache)
  assert.deepEqual(second[0], { ...first[0], cached: true, usage: { promptTokens: 0, completionTokens: 0 } })
  assert.deepEqual(asked.map(({ length }) => length), [2, 1]) // prettier-ignore
  // Nothing scored, nothing written; all known, nobody asked.
  await scoreLabels([question('odd')], judge, client, cache)
  await scoreLabels([question('q')], judge, client, cache)
  assert.deepEqual([writes(), asked.length], [1, 3])
  // One entry lost, and the question is asked as a whole.
  entries.delete([...entries.keys()][1]!)
  const [again] = await scoreLabels([question('q')], judge, client, cache)
  assert.deepEqual([again!.cached, asked.length, entries.size], [false, 4, 3])
  assert.equal((await scoreLabels([question('q')], { ...judge, id: 'judge_2' }, client, cache))[0]!.cached, false)
})

test('a client that rejects or answers short fails the questions; an abort is the caller’s own', async () => {
  const rejects = (error: unknown): JudgeClient => ({ firstTokenLogprobs: async () => Promise.reject(error) }) // prettier-ignore
  const short: JudgeClient = { firstTokenLogprobs: async () => [] }
  const outcome = async (client: JudgeClient, signal?: AbortSignal) => {
    const [scores] = await scoreLabels([question('q')], judge, client, memoryCache().cache, { signal })
    return [scores!.outcome, 'reason' in scores! && scores.reason, scores!.cached, scores!.usage.promptTokens]
  }
  assert.deepEqual(await outcome(rejects(new Error('no route'))), ['failed', 'no route', false, 0])
  assert.deepEqual(await outcome(rejects('a text')), ['failed', 'a text', false, 0])
  assert.deepEqual(await outcome(rejects(new Error('no route')), new AbortController().signal), ['failed', 'no route', false, 0]) // prettier-ignore
  const [kind, reason] = await outcome(short)
  assert.deepEqual([kind, /fewer answers/.test(String(reason))], ['failed', true])
  await assert.rejects(outcome(rejects(new Error('aborted')), AbortSignal.abort(new Error('stop'))), /stop/)
})

/** Few alternatives of what a judge would say, which is spread over these tokens. */
const telling = (...said: [token: string, p: number][]): JudgeClient => ({
  firstTokenLogprobs: async () => [
    {
      logprobs: said.map(([token, p]) => ({ token, logprob: Math.log(p) })),
      complete: false,
      usage: { promptTokens: 10, completionTokens: 1 },
    },
  ],
})

test('fewer alternatives than labels: no score, but how many it can be asked about, and how that is made known', async () => {
  const letters = [...'ABCDEFGHIJKLMNOP']
  const five = telling(['C', 0.5], ['D', 0.3], ['A', 0.1], [' C', 0.05], ['H', 0.01])
  const { cache, writes } = memoryCache()
  const [scores] = await scoreLabels([question('q', ...letters)], judge, five, cache)
  assert.deepEqual(scores, {
    outcome: 'failed',
    code: 'unprocessable',
    reason:
      "the judge's provider gives 5 alternatives, beyond which answers go unseen, so it can be asked about 4 options at " +
      'once, and was asked about 16. Try it with `gavel judge doctor judge_1` (POST /v1/judges/judge_1/probe), which makes ' +
      'that known: from then on it is asked about more in groups',
    cached: false,
    usage: { promptTokens: 10, completionTokens: 1 },
  })
  assert.equal(writes(), 0)
  // So little is seen that it looks like no answer; what is not seen may be one.
  const flat = telling(...letters.slice(0, 5).map((letter): [string, number] => [letter, 1 / 16]))
  const [unseen] = await scoreLabels([question('q', ...letters)], judge, flat, cache)
  assert.equal(unseen!.outcome, 'failed')
})

test('few alternatives are enough where every label is among them, or something else was surely answered', async () => {
  const outcome = async (client: JudgeClient, ...labels: string[]) =>
    (await scoreLabels([question('q', ...labels)], judge, client, memoryCache().cache))[0]!.outcome
  const three = telling(['A', 0.5], ['B', 0.3], ['C', 0.1])
  assert.equal(await outcome(three, 'A', 'B', 'C'), 'scored')
  assert.equal(await outcome(three, 'A', 'B', 'D'), 'failed')
  assert.equal(await outcome(three, 'A', 'D'), 'scored')
  assert.equal(await outcome(telling(['Well', 0.9], ['A', 0.05]), 'A', 'B', 'C'), 'abstained')
  assert.equal(await outcome(telling(['Well', 0.4], ['A', 0.05]), 'A', 'B', 'C'), 'failed')
  // Spellings take places: of five, four labels are told of, and a fifth that is not there may be the next.
  const spelled = telling(['A', 0.4], [' A', 0.3], ['B', 0.1], ['C', 0.05], ['D', 0.02])
  assert.equal(await outcome(spelled, 'A', 'B', 'C', 'D', 'E'), 'failed')
  assert.equal(await outcome(spelled, 'A', 'B', 'C', 'E'), 'scored')
  // Of 20 that were asked for some may be missing, or two be the same to read: as many as the labels and one are enough.
  const letters = [...'ABCDEFGHIJKLMNOP']
  const most = (others: number) =>
    telling(
      ...[...letters.slice(1), ...Array<string>(others).fill('�')].map((token): [string, number] => [token, 0.05]),
    )
  assert.equal(await outcome(most(5), ...letters), 'scored')
  assert.equal(await outcome(most(2), ...letters), 'scored')
  assert.equal(await outcome(most(1), ...letters), 'failed')
  // Rounded up: nothing is unseen, and still one is not there.
  assert.equal(await outcome(telling(['A', 0.5004], ['Well', 0.5004]), 'A', 'B', 'C'), 'failed')
})
