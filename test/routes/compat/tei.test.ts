/** Text Embeddings Inference, figure by figure. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GavelError } from '../../../src/core/errors.ts'
import { chatml, close, compatAppOfFile, YES } from './compat-app.ts'

const app = await compatAppOfFile()
const { refused } = app
const question = 'What is 2 + 3?'

test('TEI says what it is: one class, yes, and its largest batch', async () => {
  assert.deepEqual(await app.json('/compat/tei/j/info'), {
    model_id: 'j',
    model_type: { classifier: { id2label: { 0: 'yes' }, label2id: { yes: 0 } } },
    max_client_batch_size: 4096,
  })
})

test('TEI gives probabilities unless raw scores are asked for, and texts where they are asked for', async () => {
  const rank = (more: object) => app.json('/compat/tei/j/rerank', { json: { query: question, texts: ['6', '5'], ...more } }) // prettier-ignore
  const [best, worst] = await rank({})
  assert.deepEqual([best.index, worst.index, best.text], [1, 0, undefined])
  assert.ok(close(best.score, YES) && close(worst.score, 2 / 9))
  const raw = await rank({ raw_scores: true, return_text: true })
  assert.deepEqual(raw.map(({ text }: { text: string }) => text), ['5', '6']) // prettier-ignore
  assert.ok(close(raw[0].score, Math.log(7 / 2)) && close(raw[1].score, Math.log(2 / 7)))
  const pairs = await app.json('/compat/tei/j/predict', { json: { inputs: [[question, '5'], [question, '6']] } }) // prettier-ignore
  assert.deepEqual(pairs.map((one: object[]) => one.length), [1, 1]) // prettier-ignore
  const chat = await app.json('/compat/tei/j/predict', {
    json: { inputs: [chatml(question, '5')], raw_scores: true },
  })
  assert.ok(close(chat[0].score, Math.log(7 / 2)))
  assert.deepEqual(await app.json('/compat/tei/j/predict', { json: { inputs: [] } }), [])
  const plain = async (inputs: unknown) => (await refused('/compat/tei/j/predict', { inputs }, 422)) as string
  assert.match(await plain('no chat'), /^`inputs` has no turn of an assistant/)
  assert.match(await plain(['no chat']), /^`inputs` has no turn of an assistant/)
  assert.match(await plain([[chatml(question, '5')], ['no chat']]), /^`inputs\[1\]` has no turn of an assistant/)
})

test('TEI’s errors: its own statuses and kinds', async () => {
  const asked = async (path: string, status: number, key?: string | null) =>
    (await app.json(`/compat/tei/${path}/predict`, { json: { inputs: ['q', '5'] }, ...(key !== undefined && { key }) }, status)).error_type // prettier-ignore
  assert.equal(await asked('nobody', 404), 'Validation')
  assert.equal(await asked('j', 401, null), 'Validation')
  const { find } = app.deps.database.judges
  const failWith = (error: Error) => (app.deps.database.judges.find = () => Promise.reject(error))
  failWith(new GavelError('storage_unavailable', 'away'))
  assert.equal(await asked('j', 503), 'Unhealthy')
  failWith(new GavelError('rate_limited', 'slow down'))
  assert.equal(await asked('j', 429), 'Overloaded')
  failWith(new GavelError('disk_full', 'full'))
  assert.equal(await asked('j', 507), 'Backend')
  app.deps.database.judges.find = find
})
