import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { folderBlobStore } from '../../../src/adapters/node/folder-blob-store.ts'
import type { FirstTokenLogprobs, JudgeRequest } from '../../../src/core/ports.ts'
import type { JudgeInput } from '../../../src/core/schemas/worker.ts'
import { localJudgeClient } from '../../../src/gpu-worker/judge/local-judge-client.ts'
import { localJudgeHost } from '../../../src/gpu-worker/judge/local-judge-host.ts'
import { openFolder } from '../../../src/gpu-worker/models/source.ts'
import { Session } from '../../../src/gpu-worker/runtime/session.ts'
import { float32 } from '../../../src/gpu-worker/runtime/tensors.ts'
import { textInputs } from '../../../src/gpu-worker/training/prefix-groups.ts'
import { logitsGraph } from '../../../src/gpu-worker/training/training-graph.ts'
import { weightTensors } from '../../../src/gpu-worker/training/weight-tensors.ts'
import { temporaryFolder, tinyModelFolder } from '../../../testing/tiny-model-folder.ts'

const path = tinyModelFolder()
const folder = openFolder(path)
const { model, weights, codec } = folder

const ask = (content: string, labels = ['Yes', 'No']): JudgeRequest => ({
  messages: [{ role: 'user', content }],
  labels,
})
const scored = (answer: FirstTokenLogprobs | Error | undefined): FirstTokenLogprobs => {
  if (answer === undefined || answer instanceof Error) throw answer ?? new Error('no answer')
  return answer
}

/** Natural-log probabilities of what comes after a text, from the training graph and log-softmax in double precision. */
async function nextLogprobs(text: string): Promise<(token: string) => number> {
  const ids = codec.encode(text)
  const session = await Session.create(logitsGraph(model, { maxTokens: 64 }), { threads: 1 })
  const V = model.vocabularySize
  const logits = new Float32Array(ids.length * V)
  const inputs = { ...weightTensors(weights), ...textInputs([ids]) }
  await session.run(inputs, { logits: float32(logits, [ids.length, V]) })
  const last = [...logits.subarray((ids.length - 1) * V)]
  const total = Math.log(last.reduce((sum, x) => sum + Math.exp(x), 0))
  return (token) => last[codec.idOf(token)!]! - total
}

test('scores every spelling of each label exactly, in the order asked', async () => {
  const client = await localJudgeClient(folder, { threads: 1 })
  const texts = ['Tom has 3 apples.\nTom has 3. #### 3\n', 'Short\n']
  const answers = await client.firstTokenLogprobs(texts.map((text) => ask(text)))
  for (const [i, text] of texts.entries()) {
    const { logprobs, complete, usage } = scored(answers[i])
    const expected = await nextLogprobs(text)
    assert.equal(complete, true)
    assert.equal(usage.promptTokens, codec.encode(text).length)
    assert.deepEqual(logprobs.map(({ token }) => token).sort(), ['No', 'Yes'])
    for (const { token, logprob } of logprobs)
      assert.ok(Math.abs(logprob - expected(token)) < 1e-4, `${token} ${logprob}`)
  }
})

test('a text longer than the context is its own error, the others are scored', async () => {
  const client = await localJudgeClient(folder, { threads: 1 })
  const [long, short, empty] = await client.firstTokenLogprobs([ask('7 '.repeat(600)), ask('Ok?\n'), ask('')])
  assert.ok(long instanceof Error)
  assert.match(long.message, /1200 tokens, more than the 512 of the judge's context/)
  assert.equal(scored(short).logprobs.length, 2)
  assert.ok(empty instanceof Error)
})

test('a context that is said to be without end takes no memory for it', async () => {
  const client = await localJudgeClient({ ...folder, model: { ...model, contextLength: 1e12 } }, { threads: 1 })
  const [same] = await client.firstTokenLogprobs([ask('Short')])
  const [expected] = await (await localJudgeClient(folder, { threads: 1 })).firstTokenLogprobs([ask('Short')])
  assert.deepEqual(scored(same).logprobs, scored(expected).logprobs)
})

test('requests with other labels in one call get theirs', async () => {
  const client = await localJudgeClient(folder, { threads: 1 })
  const answers = await client.firstTokenLogprobs([ask('a\n'), ask('b\n', ['A', 'B']), ask('c\n')])
  const tokens = answers.map((answer) => scored(answer).logprobs.map(({ token }) => token))
  assert.deepEqual(tokens[0], tokens[2])
  assert.ok(tokens[1]!.includes('A') && tokens[1]!.includes('B') && !tokens[1]!.includes('Yes'))
})

test('labels that are no single token are refused', async () => {
  const client = await localJudgeClient(folder, { threads: 1 })
  const labels = { yes: 'Unquestionably', no: 'No' }
  const refusal = { code: 'judge_labels_not_single_token', param: 'labels.yes' }
  await assert.rejects(client.firstTokenLogprobs([ask('a', Object.values(labels))]), refusal)
  await assert.rejects(localJudgeClient(folder, { threads: 1, labels }), refusal)
})

test('what was asked before does not tell: the same call gets the same bits from a client that is used and a new one', async () => {
  const texts = ['Tom has 3 apples.\nTom has 3. #### 3\n', 'Tom has 3 apples.\nTom has 4. #### 4\n', 'Short\n']
  const call = texts.map((text) => ask(text))
  const used = await localJudgeClient(folder, { threads: 1 })
  await used.firstTokenLogprobs([ask('Tom has 3 apples.\nNo idea.\n')])
  await used.firstTokenLogprobs(call.toReversed())
  const bits = (answers: (FirstTokenLogprobs | Error)[]) => answers.map((answer) => scored(answer).logprobs)
  const fresh = await localJudgeClient(folder, { threads: 1 })
  assert.deepEqual(bits(await used.firstTokenLogprobs(call)), bits(await fresh.firstTokenLogprobs(call)))
})

test('a host gives the same answers from a process of its own, and its refusals', async () => {
  const blobs = folderBlobStore(temporaryFolder())
  const judgeOf = (model: JudgeInput['model']): JudgeInput => ({
    id: 'judge_1',
    version: 1,
    template: 'answer-correctness',
    labels: { yes: 'Yes', no: 'No' },
    min_label_mass: 0.5,
    model,
  })
  const judge = (path: string) => judgeOf({ type: 'local', path })
  const options = { roots: [tmpdir()], hub: { cacheFolder: '/nonexistent' }, threads: 1 }
  const requests = [ask('Tom has 3 apples.\n'), ask('7 '.repeat(600))]
  const here = await (await localJudgeClient(folder, { threads: 1 })).firstTokenLogprobs(requests)
  const there = await localJudgeHost(judge(path), blobs, options).firstTokenLogprobs(requests)
  const timeless = (answer: FirstTokenLogprobs | Error | undefined) => ({ ...scored(answer), latencyMs: 0 })
  assert.deepEqual(timeless(there[0]), timeless(here[0]))
  assert.ok(there[1] instanceof Error)
  assert.equal(there[1].message, (here[1] as Error).message)

  const ids = { yes: [codec.idOf('Yes')], no: [codec.idOf('No')] }
  assert.deepEqual(await localJudgeHost(judge(path), blobs, options).labelTokens!(), ids)
  const labelled = await localJudgeClient(folder, { threads: 1, labels: { yes: 'Yes', no: 'No' } })
  assert.deepEqual(await labelled.labelTokens!(), ids)

  const missing = localJudgeHost(judge(join(path, 'gone')), blobs, options)
  await assert.rejects(missing.firstTokenLogprobs(requests), { code: 'not_found' })
  await assert.rejects(missing.firstTokenLogprobs(requests), { code: 'not_found' })
  const outside = localJudgeHost(judge('/etc'), blobs, options)
  await assert.rejects(outside.firstTokenLogprobs(requests), { code: 'unavailable_here' })

  const objects = readdirSync(path).map((name) => {
    const bytes = readFileSync(join(path, name))
    return {
      name,
      bytes,
      size: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      url: `c/${name}`,
    }
  })
  for (const { url, bytes } of objects) await blobs.put(url, bytes)
  const checkpoint = (changed: object) =>
    judgeOf({
      type: 'checkpoint',
      checkpoint: `ckpt_${'a'.repeat(24)}`,
      step: 1,
      state: {},
      objects: objects.map(({ bytes: _, ...object }) => ({ ...object, ...changed })),
    })
  const [fromCheckpoint] = await localJudgeHost(checkpoint({}), blobs, options).firstTokenLogprobs(requests)
  assert.deepEqual(timeless(fromCheckpoint), timeless(here[0]))
  const tampered = localJudgeHost(checkpoint({ sha256: '0'.repeat(64) }), blobs, options)
  await assert.rejects(tampered.firstTokenLogprobs(requests), { code: 'corrupt_model' })
})
