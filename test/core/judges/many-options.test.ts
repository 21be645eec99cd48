/** Questions with more options than letters, answered by judges whose distribution over all of them is known. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decide, promptsOfDecisions, type DecisionQuestion } from '../../../src/core/judges/decide.ts'
import { choose, groupsOf, promptsOf, type AskedJudge } from '../../../src/core/judges/many-options.ts'
import { NO_CACHE } from '../../../src/core/judges/score-items.ts'
import { scoreLabels, type LabelQuestion, type LabelScores } from '../../../src/core/judges/score-labels.ts'
import type { JudgeClient, ProviderTakes } from '../../../src/core/ports.ts'
import { MAX_OPTIONS } from '../../../src/core/schemas/grader.ts'

const labels = { yes: 'Yes', no: 'No' }
/** Tells of every label. */
const judge = { labels, provider: { type: 'local' as const } }
/** Tells of its 20 likeliest tokens. */
const remote = { labels, provider: { type: 'openai' as const } }
const usage = { promptTokens: 7, completionTokens: 1 }
type Asked = DecisionQuestion & { param: string }
const choice = (names: readonly string[]): Asked => ({
  instructions: 'Which?',
  options: names.map((name) => ({ name })),
  param: 'q',
})

/** The names on offer, as the prompt lists them, in order of its letters. */
function offered({ messages, labels }: Pick<LabelQuestion, 'messages' | 'labels'>): string[] {
  const listed = [
    ...messages()
      .at(-1)!
      .content.matchAll(/^([A-Z])\. (\S+)$/gm),
  ]
  assert.deepEqual(listed.map(([, letter]) => letter), [...labels]) // prettier-ignore
  return listed.map(([, , name]) => name!)
}

/** A judge that scores each option by itself and says one by a softmax of what is on offer: what a language model does. */
function byUtility(utility: (name: string) => number, silent: (names: string[]) => boolean = () => false) {
  const calls: LabelQuestion[][] = []
  const ask = async (questions: LabelQuestion[]): Promise<LabelScores[]> => {
    calls.push(questions)
    return questions.map((question) => {
      const names = offered(question)
      if (silent(names)) return { outcome: 'abstained', labelMass: 0.1, reason: 'hm', cached: false, usage }
      const weights = names.map((name) => Math.exp(utility(name)))
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      return {
        outcome: 'scored',
        probabilities: weights.map((weight) => weight / total),
        labelMass: 1 - names.length / 1000,
        cached: false,
        usage,
      }
    })
  }
  return { ask, calls }
}

/** A judge that was tried: asked for so many alternatives, and given so many. */
const tried = (top_logprobs: number, alternatives: number | null = top_logprobs) => ({
  labels,
  provider: { type: 'openai' as const },
  probe: { takes: { top_logprobs } as ProviderTakes, alternatives },
})

const names = (count: number) => Array.from({ length: count }, (_, i) => `option${i}`)
/** Spread over 20 nats, in no order. */
const utility = (name: string) => ((Number(name.slice(6)) * 7919) % 200) / 10

describe('more options than letters', () => {
  test('groups hold every option once, in order, and are of one size or nearly', () => {
    for (const [type, atOnce] of Object.entries({
      openai: 16,
      huggingface: 16,
      workers_ai: 16,
      local: 26,
      decisions: 26,
      systemone: 26,
      rerank: 26,
      ensemble: 26,
    } as const))
      // prettier-ignore
      for (let count = 2; count <= MAX_OPTIONS; count++) {
      const groups = groupsOf(count, { provider: { type: type as 'local' } })
      assert.deepEqual(
        groups.flat(),
        Array.from({ length: count }, (_, i) => i),
      )
      const sizes = groups.map(({ length }) => length)
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `${count}: ${sizes}`)
      assert.ok(Math.min(...sizes) >= 2 && groups.length <= 16 && Math.max(...sizes) <= (count <= atOnce ? atOnce : 16))
      assert.equal(groups.length > 1, count > atOnce)
    }
  })

  test('a judge that gives each option its own weight: the softmax over all of them', async () => {
    for (const count of [26, 27, 33, 100, 255]) {
      const all = names(count)
      const { ask, calls } = byUtility(utility)
      const [scores] = await decide('material', [choice(all)], judge, ask)
      assert.ok(scores?.outcome === 'scored')
      const total = all.reduce((sum, name) => sum + Math.exp(utility(name)), 0)
      all.forEach((name, i) => {
        const expected = Math.exp(utility(name)) / total
        assert.ok(Math.abs(scores.probabilities[i]! - expected) < 1e-12, `${count} ${name}`)
      })
      assert.ok(Math.abs(scores.probabilities.reduce((sum, p) => sum + p, 0) - 1) < 1e-12)
      assert.equal(calls.length, count > 26 ? 2 : 1)
      assert.equal(scores.usage.promptTokens, 7 * calls.flat().length)
      assert.equal(promptsOfDecisions([choice(all)], judge), calls.flat().length)
    }
  })

  test('a judge that tells of its 20 likeliest tokens only: no option is 0 because it was not told of', async () => {
    const spellings = (letter: string, p: number) => [
      { token: letter, logprob: Math.log(0.99 * p) },
      { token: ` ${letter}`, logprob: Math.log(0.01 * p) },
    ]
    const client: JudgeClient = {
      firstTokenLogprobs: async (requests) =>
        requests.map((request) => {
          const weights = offered({ ...request, messages: () => request.messages }).map((name) =>
            Math.exp(utility(name) / 20),
          )
          const total = weights.reduce((sum, weight) => sum + weight, 0)
          const all = weights.flatMap((weight, i) => spellings(request.labels[i]!, weight / total))
          const logprobs = all.sort((a, b) => b.logprob - a.logprob).slice(0, 20)
          return { logprobs, complete: false, usage, latencyMs: 1 }
        }),
    }
    const ask = (asked: LabelQuestion[]) => scoreLabels(asked, { id: 'j', min_label_mass: 0.5 }, client, NO_CACHE)
    for (const count of [16, 17, 20, 26, 40]) {
      const all = names(count)
      const [scores] = await decide('material', [choice(all)], remote, ask)
      assert.ok(scores?.outcome === 'scored')
      const total = all.reduce((sum, name) => sum + Math.exp(utility(name) / 20), 0)
      all.forEach((name, i) => {
        const expected = Math.exp(utility(name) / 20) / total
        // What is not told of the second spellings is a hundredth at most.
        assert.ok(Math.abs(scores.probabilities[i]! / expected - 1) < 0.03, `${count} ${name}`)
      })
      assert.equal(promptsOfDecisions([choice(all)], remote), scores.usage.promptTokens / usage.promptTokens)
    }
  })

  test('a judge whose provider gives few alternatives: the softmax over all options, however many', async () => {
    for (const limit of [2, 4, 5, 16]) {
      const judge = tried(limit)
      for (let count = 3; count <= 300; count++) {
        const weights = names(count).map((name) => Math.exp(utility(name)))
        let rounds = 0
        let asked = 0
        const put = (among: readonly number[]) => {
          // Room for another spelling of one of them, but where there are two alternatives in all.
          assert.ok(among.length >= 2 && among.length <= Math.max(2, limit - 1), `${among.length} of ${limit}`)
          return { messages: () => [], at: 'q', labels: among.map(String) }
        }
        const ask = async (questions: LabelQuestion[]) => {
          rounds++
          asked += questions.length
          return questions.map(({ labels }): LabelScores => {
            const total = labels.reduce((sum, i) => sum + weights[Number(i)]!, 0)
            const probabilities = labels.map((i) => weights[Number(i)]! / total)
            return { outcome: 'scored', probabilities, labelMass: 0.9, cached: true, usage }
          })
        }
        const [scores] = await choose([{ options: count, put }], judge, ask)
        assert.ok(scores?.outcome === 'scored' && scores.probabilities.length === count)
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        scores.probabilities.forEach((p, i) => {
          const expected = weights[i]! / total
          assert.ok(Math.abs(p / expected - 1) < 1e-9, `${count} options, ${limit} alternatives: ${p}, not ${expected}`)
        })
        assert.equal(promptsOf([count], judge), asked)
        assert.equal(scores.usage.promptTokens, asked * usage.promptTokens)
        assert.ok(rounds <= Math.ceil(Math.log2(count)))
        // What is certain without asking takes nothing from what the answers had.
        assert.deepEqual([scores.cached, scores.labelMass], [true, 0.9])
      }
    }
  })

  test('how many options are asked about at once follows what was found of the judge', () => {
    const atOnce = (judge: AskedJudge) => {
      let count = 2
      while (groupsOf(count + 1, judge).length === 1) count++
      return count
    }
    const known = [[20, 16], [16, 12], [10, 8], [5, 4], [4, 3], [3, 2], [2, 2]] as const // prettier-ignore
    for (const [limit, expected] of known) assert.equal(atOnce(tried(limit)), expected, String(limit))
    // It took 20, and gave 5 in silence; or 5 and the sampled one.
    assert.equal(atOnce(tried(20, 5)), 4)
    assert.equal(atOnce(tried(5, 6)), 4)
    assert.equal(atOnce(tried(5, null)), 4)
    // It gave none at all, and is not worth a call for every two options.
    assert.equal(atOnce(tried(20, 0)), 16)
    // Not one that is asked for tokens, or no answer was had.
    assert.equal(atOnce({ provider: { type: 'local' }, probe: { takes: null, alternatives: 8 } }), 26)
    assert.equal(atOnce({ provider: { type: 'openai' }, probe: { takes: null, alternatives: null } }), 16)
    assert.deepEqual(groupsOf(26, tried(5)).map(({ length }) => length), [3, 4, 4, 3, 4, 4, 4]) // prettier-ignore
    // Groups of 3 or 4, then of the seven winners, then of two.
    assert.equal(promptsOf([26, 2, 1, 0], tried(5)), 7 + 2 + 1 + (1 + 0 + 1))
  })

  test('questions that need more rounds than others are asked together in each, and one silent group ends only its own', async () => {
    const { ask, calls } = byUtility(utility, (shown) => shown.includes('option80'))
    const questions = [choice(names(90)), choice(names(5)), choice(names(40)), choice(['option1', 'option2'])]
    const scores = await decide('material', questions, tried(5), ask)
    assert.deepEqual(scores.map(({ outcome }) => outcome), ['abstained', 'scored', 'scored', 'scored']) // prettier-ignore
    assert.deepEqual(calls.map(({ length }) => length), [23 + 2 + 10 + 1, 1 + 3, 1]) // prettier-ignore
  })

  test('a judge that is not so consistent: the likeliest is the winner of winners, and all sum to 1', async () => {
    // Likes whatever comes first, and among winners the last.
    const ask = async (questions: LabelQuestion[]) =>
      questions.map((question): LabelScores => {
        const shown = offered(question)
        const favourite = shown.length === 3 ? 2 : 0
        const probabilities = shown.map((_, i) => (i === favourite ? 0.5 : 0.5 / (shown.length - 1)))
        return { outcome: 'scored', probabilities, labelMass: 1, cached: false, usage }
      })
    const [scores] = await decide('material', [choice(names(36))], judge, ask)
    assert.ok(scores?.outcome === 'scored')
    assert.equal(scores.probabilities.indexOf(Math.max(...scores.probabilities)), 24)
    assert.ok(Math.abs(scores.probabilities.reduce((sum, p) => sum + p, 0) - 1) < 1e-12)
  })

  test('a group that the judge does not answer leaves the question unanswered, and the others as they are', async () => {
    const { ask, calls } = byUtility(utility, (shown) => shown.includes('option40'))
    const questions = [choice(names(60)), choice(['option1', 'option2']), choice(names(30))]
    const [unanswered, small, large] = await decide('material', questions, judge, ask)
    assert.ok(unanswered?.outcome === 'abstained' && small?.outcome === 'scored' && large?.outcome === 'scored')
    assert.equal(unanswered.usage.promptTokens, 7 * 4)
    assert.ok(Math.abs(large.labelMass - (1 - 15 / 1000)) < 1e-12)
    assert.deepEqual(calls.map(({ length }) => length), [4 + 1 + 2, 1]) // prettier-ignore
  })

  test('an answer in parts is from the cache where all of its parts are', async () => {
    for (const [known, cached] of [
      [() => true, true],
      [(call: number) => call === 0, false],
      [() => false, false],
    ] as const) {
      const { ask, calls } = byUtility(utility)
      const askCached = async (questions: LabelQuestion[]) => {
        const scores = await ask(questions)
        return scores.map((each) => ({ ...each, cached: known(calls.length - 1) }))
      }
      const [scores] = await decide('material', [choice(names(40))], judge, askCached)
      assert.deepEqual([scores!.outcome, scores!.cached], ['scored', cached])
    }
  })

  test('one option alone is certain, and nobody is asked', async () => {
    const { ask, calls } = byUtility(utility)
    const [scores] = await decide('material', [choice(['only'])], judge, ask)
    assert.ok(scores?.outcome === 'scored' && scores.usage.promptTokens === 0)
    assert.deepEqual([scores.probabilities, scores.labelMass, scores.cached], [[1], 1, false])
    assert.deepEqual([calls.flat().length, promptsOfDecisions([choice(['only'])], judge)], [0, 0])
  })
})
