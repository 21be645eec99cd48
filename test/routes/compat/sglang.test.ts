/** SGLang, figure by figure. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { close, compatAppOfFile, YES } from './compat-app.ts'

const app = await compatAppOfFile()
const question = 'What is 2 + 3?'

test('SGLang ranks all where it is not told how many, each with its place', async () => {
  const rank = (more: object) =>
    app.json('/compat/sglang/j/v1/rerank', { json: { query: question, documents: ['6', '5', 'nothing'], ...more } })
  const all = await rank({})
  assert.deepEqual(all.map(({ score: _, ...rest }: { score: number }) => rest), [{ document: '5', index: 1 }, { document: '6', index: 0 }]) // prettier-ignore
  assert.ok(close(all[0].score, YES) && close(all[1].score, 2 / 9))
  for (const top_n of [0, null, 2, 3]) assert.equal((await rank({ top_n })).length, 2)
  assert.deepEqual((await rank({ top_n: 1, return_documents: false })).map(({ index }: { index: number }) => index), [1]) // prettier-ignore
  await app.json('/compat/sglang/j/v1/rerank', { json: { query: question, documents: ['5'], top_n: -1 } }, 400)
})

test('SGLang: what yes and no mean is shown, under the judge’s own words', async () => {
  const asked = async (more: object) => {
    app.calls.length = 0
    const questions = [{ id: 'y', type: 'yes_no', question: 'The answer is right.', ...more }]
    await app.json('/compat/sglang/j/v1/decisions', { json: { input: 'm', questions } })
    return app.calls.flat()[0]!.split('</decision_material>').at(-1)!
  }
  const reply = 'Reply with exactly one word: Yes or No.'
  const statement = '\n\nIs the following true? The answer is right.\n\n'
  assert.equal(await asked({ yes: 'exactly', no: 'not quite' }), `${statement}Yes: exactly\nNo: not quite\n${reply}`)
  assert.equal(await asked({ yes: null, no: 'never' }), `${statement}No: never\n${reply}`)
  assert.equal(await asked({ yes: 'always' }), `${statement}Yes: always\n${reply}`)
  assert.equal(await asked({}), statement + reply)
})

test('SGLang: a temperature sharpens or flattens, level by level', async () => {
  const levels = async (temperature: number | null | undefined) => {
    const questions = [{ id: 's', type: 'score', question: 'How good?', levels: [1, 2, 3] }]
    const json = { input: 'pick=2', questions, ...(temperature !== undefined && { temperature }) }
    return (await app.json('/compat/sglang/j/v1/decisions', { json })).answers.s
  }
  for (const plain of [undefined, null, 1]) {
    const { type, probabilities, score, label_mass, choice } = await levels(plain)
    assert.deepEqual([type, choice, Object.keys(probabilities)], ['score', undefined, ['1', '2', '3']])
    assert.ok(close(probabilities[1], 1 / 9) && close(probabilities[3], 7 / 9) && close(label_mass, 0.9))
    assert.ok(close(score, (1 + 2 * 7) / 9))
  }
  // Squared: 1, 1 and 49 of 51.
  const sharp = await levels(0.5)
  assert.ok(close(sharp.probabilities[1], 1 / 51) && close(sharp.probabilities[3], 49 / 51))
  assert.ok(close(sharp.score, (1 + 2 * 49) / 51) && close(sharp.label_mass, 0.9))
  await app.json('/compat/sglang/j/v1/decisions', { json: { input: 'x', temperature: 0.001, questions: [{ id: 'y', type: 'yes_no', question: 'q' }] } }, 400) // prettier-ignore
})

test('SGLang: the lowest temperature leaves the likeliest alone, however unlikely the others are', async () => {
  const { judgeClient } = app.deps
  const told = { complete: true, usage: { promptTokens: 9, completionTokens: 1 } }
  app.deps.judgeClient = () => ({
    firstTokenLogprobs: async (requests) =>
      requests.map(({ labels }) => ({ ...told, logprobs: labels.map((token, i) => ({ token, logprob: -20 * i })) })),
  })
  const questions = [{ id: 's', type: 'score', question: 'How cold?', levels: [1, 2, 3] }]
  const { answers } = await app.json('/compat/sglang/j/v1/decisions', { json: { input: 'x', temperature: 0.01, questions } }) // prettier-ignore
  app.deps.judgeClient = judgeClient
  assert.deepEqual([answers.s.probabilities, answers.s.score], [{ 1: 1, 2: 0, 3: 0 }, 0])
})
