import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JudgeClient } from '../../../src/core/ports.ts'
import type { Spent } from '../../../src/service/database.ts'
import { budgeted, costOf, spentBudget, spentOn } from '../../../src/service/judges/budget.ts'

const price = { input: 2, output: 10 }
const usage = { promptTokens: 500_000, completionTokens: 50_000 }

test('what tokens cost: the price is of a million', () => {
  assert.equal(costOf(usage, price), 1.5)
  assert.equal(costOf(usage, undefined), null)
  assert.deepEqual(spentOn(usage, price), { tokens: 550_000, cost: 1.5 })
  assert.deepEqual(spentOn(usage, undefined), { tokens: 550_000, cost: 0 })
})

test('a budget is spent when one of its limits is reached, and that one is named', () => {
  const reason = (budget: { tokens?: number; cost?: number } | undefined, spent: Spent) =>
    spentBudget({ id: 'judge_1', budget }, spent)?.message.match(/budget of (.*?);/)?.[1] ?? null
  assert.equal(reason({ tokens: 100 }, { tokens: 99, cost: 1e9 }), null)
  assert.equal(reason({ tokens: 100 }, { tokens: 100, cost: 0 }), '100 tokens')
  assert.equal(reason({ cost: 2 }, { tokens: 1e9, cost: 1.99 }), null)
  assert.equal(reason({ cost: 2 }, { tokens: 0, cost: 2 }), '2 US dollars')
  assert.equal(reason({ tokens: 100, cost: 2 }, { tokens: 0, cost: 3 }), '2 US dollars')
  assert.equal(reason(undefined, { tokens: 1e9, cost: 1e9 }), null)
  assert.equal(spentBudget({ id: 'judge_1', budget: { tokens: 1 } }, { tokens: 1, cost: 0 })?.code, 'budget_spent')
})

/** Uses ten tokens a prompt, and fails on the rounds of these numbers. */
function tenTokens(failing: number[] = [], signal?: AbortController) {
  const rounds: number[] = []
  const client: JudgeClient = {
    async firstTokenLogprobs(requests) {
      rounds.push(requests.length)
      if (failing.includes(rounds.length)) {
        signal?.abort(new Error('given up'))
        throw new Error('down')
      }
      return requests.map(() => ({
        logprobs: [],
        complete: false,
        usage: { promptTokens: 9, completionTokens: 1 },
      }))
    },
  }
  return { client, rounds }
}
const requests = Array.from({ length: 7 }, () => ({ messages: [], labels: ['Yes', 'No'] }))
const meter = (tokens = 0) => {
  const total = { tokens, cost: 0 }
  return async (more: Spent): Promise<Spent> => {
    total.tokens += more.tokens
    total.cost += more.cost
    return { ...total }
  }
}
const judge = (tokens: number) => ({ id: 'judge_1', budget: { tokens }, price, concurrency: 3 })

test('asking stops after the round in which the budget ran out; the rest is told why, each', async () => {
  const refusals: Error[] = []
  const run = async (tokens: number, before = 0) => {
    const { client, rounds } = tenTokens()
    const answers = await budgeted(
      client,
      judge(tokens),
      meter(before),
      (refusal) => void refusals.push(refusal),
    ).firstTokenLogprobs(requests)
    assert.equal(answers.length, 7)
    return { rounds, answered: answers.filter((answer) => !(answer instanceof Error)).length }
  }
  assert.deepEqual(await run(1000), { rounds: [3, 3, 1], answered: 7 })
  assert.deepEqual(refusals, [])
  assert.deepEqual(await run(31), { rounds: [3, 3], answered: 6 })
  assert.deepEqual(await run(30), { rounds: [3], answered: 3 })
  assert.deepEqual(await run(30, 30), { rounds: [], answered: 0 })
  assert.deepEqual(refusals.map((error) => (error as { code?: string }).code), Array(3).fill('budget_spent')) // prettier-ignore
})

test('what was answered before an abort is given; without answers, or without an abort, the error is the caller’s', async () => {
  const ask = (failing: number[], stop?: AbortController) => {
    const { client } = tenTokens(failing, stop)
    return budgeted(client, judge(1000), meter(), () => {}).firstTokenLogprobs(requests, stop?.signal)
  }
  const answers = await ask([2, 3], new AbortController())
  assert.deepEqual(answers.map((answer) => answer instanceof Error), [false, false, false, true, true, true, true]) // prettier-ignore
  assert.deepEqual(answers.slice(3).map((answer) => (answer as Error).message), Array(4).fill('down')) // prettier-ignore
  await assert.rejects(ask([1], new AbortController()), /down/)
  await assert.rejects(ask([2]), /down/)
})

test('a judge without a budget is asked all at once', async () => {
  const { client } = tenTokens()
  assert.equal(
    budgeted(client, { ...judge(1), budget: undefined }, meter(), () => {}),
    client,
  )
})
