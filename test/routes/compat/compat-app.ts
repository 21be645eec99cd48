/** An API with a judge to try dialects on: no mock of ours but the model behind the judge. */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { GavelError } from '../../../src/core/errors.ts'
import type { JudgeClient } from '../../../src/core/ports.ts'
import { testApp, type TestApp } from '../../helpers/test-app.ts'

export interface CompatApp extends TestApp {
  /** The prompts of each call of the judge. */
  calls: string[][]
  /** The first prompt of the last call. */
  lastPrompt(): string
  /** The error that a request is answered with, and with this status. */
  refused(path: string, json: unknown, status: number): ReturnType<TestApp['json']>
}

/**
 * A model that says Yes to answers with a 5 in them, answers something else to "nothing", errs on "boom", has no room for "endless"; of other
 * labels it picks the one whose index stands in `pick=N`, with 7 of 9 parts of its label mass, 0.9.
 */
export async function compatApp(): Promise<CompatApp> {
  const calls: string[][] = []
  const client: JudgeClient = {
    async firstTokenLogprobs(requests) {
      calls.push(requests.map(({ messages }) => messages.map(({ content }) => content).join('\n')))
      return requests.map(({ messages, labels }) => {
        const text = messages.at(-1)!.content
        if (text.includes('endless')) return new GavelError('prompt_too_long', 'that is too long; shorten it')
        if (text.includes('boom')) return new Error('the provider answered 500')
        const wanted = Number(/pick=(\d)/.exec(text)?.[1] ?? (text.includes('5') ? 0 : 1))
        const picked = Math.min(wanted, labels.length - 1)
        const masses = labels.map((_, i) => (i === picked ? 0.7 : 0.2 / (labels.length - 1)))
        const scale = text.includes('nothing') ? 0.1 : 1
        return {
          logprobs: labels.map((token, i) => ({ token, logprob: Math.log(masses[i]! * scale) })),
          complete: true,
          usage: { promptTokens: 9, completionTokens: 1 },
        }
      })
    },
    labelTokens: async () => ({ yes: [11], no: [12, 13] }),
  }
  const app = await testApp({ judgeClient: () => client })
  const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }
  await app.json('/v1/judges', { json: { name: 'j', provider, label_token_ids: { yes: [9454, 7414], no: [2753] } } })
  await app.json('/v1/judges', { json: { name: 'unread', provider } })
  const recipe = { name: 'both', lambda: 1, mu: 1, verifier: 'math', judge: 'j' }
  await app.json('/v1/recipes', { json: recipe })
  return Object.assign(app, {
    calls,
    lastPrompt: () => calls.at(-1)![0]!,
    refused: async (path: string, json: unknown, status: number) => (await app.json(path, { json }, status)).error,
  })
}

/** One for a whole file of tests, which ends with it: in none of them anything was a failure of ours. */
export async function compatAppOfFile(): Promise<CompatApp> {
  const app = await compatApp()
  after(() => {
    assert.deepEqual(app.errors, [])
    app.close()
  })
  return app
}

export const YES = 7 / 9
export const close = (a: number, b: number) => Math.abs(a - b) < 1e-9
export const chatml = (question: string, answer = '') =>
  `<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n${answer}`
