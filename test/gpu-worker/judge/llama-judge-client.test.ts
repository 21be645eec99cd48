/**
 * `npm run test:llama-cpp`, after `npm install --no-save --save-prod node-llama-cpp@3.22.1`, with GAVEL_TEST_GGUF naming a GGUF file
 * that our own engine runs too (SmolLM2-135M-Instruct, say).
 */
import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { folderBlobStore } from '../../../src/adapters/node/folder-blob-store.ts'
import { probabilityOfYes } from '../../../src/core/judges/probability.ts'
import { renderings } from '../../../src/core/judges/template.ts'
import type { JudgeClient } from '../../../src/core/ports.ts'
import { llamaJudgeClient } from '../../../src/gpu-worker/judge/llama-judge-client.ts'
import { localJudgeClient } from '../../../src/gpu-worker/judge/local-judge-client.ts'
import { localJudgeHost } from '../../../src/gpu-worker/judge/local-judge-host.ts'
import { openPath } from '../../../src/gpu-worker/models/source.ts'
import { temporaryFolder } from '../../../testing/tiny-model-folder.ts'
import { judgeClientContract } from '../../contracts/judge-client.ts'

const gguf = process.env.GAVEL_TEST_GGUF
const installed = await import('node-llama-cpp' as string).then(
  () => true,
  () => false,
)
const labels = { yes: 'Yes', no: 'No' }

test('without the package, it says what to install', { skip: installed && 'it is installed' }, async () => {
  await assert.rejects(llamaJudgeClient('/models/judge.gguf', {}), (error: Error & { code: string }) => {
    assert.equal(error.code, 'unavailable_here')
    assert.match(error.message, /npm install --save-prod node-llama-cpp@3\.22\.1/)
    return true
  })
})

if (installed && gguf !== undefined) {
  let client: Promise<JudgeClient> | undefined
  const llama = () => (client ??= llamaJudgeClient(gguf, { threads: 2, labels }))
  judgeClientContract('llama.cpp', llama)

  const sums = [
    ['What is 6 times 7?', '6*7=42\n#### 42'],
    ['What is 6 times 7?', 'It is 41.'],
    ['Ann has 3 apples and buys 4. How many has she?', 'Blue.'],
  ]
  const requests = sums.map(([question, answer]) => ({
    messages: renderings({ template: 'answer-correctness', labels }, { question: question!, answer: answer! })[0]!
      .messages,
    labels: [labels.yes, labels.no],
  }))
  const probabilities = async (client: JudgeClient, asked = requests) =>
    (await client.firstTokenLogprobs(asked)).map((answer) => {
      if (answer instanceof Error) throw answer
      const judgment = probabilityOfYes(answer.logprobs, labels, 0)
      assert.ok(judgment.outcome === 'scored')
      return judgment.probability
    })

  test('says what our own engine says of the same file', async () => {
    const [there, here] = [
      await probabilities(await llama()),
      await probabilities(await localJudgeClient(openPath(gguf))),
    ]
    // llama.cpp multiplies quantised weights with rounded activations; we multiply floats.
    there.forEach((p, i) => assert.ok(Math.abs(p - here[i]!) < 0.05, `${i}: ${p} and ${here[i]}`))
  })

  test('what prompts share changes nothing, whatever came before', async () => {
    const judge = await llama()
    const together = await probabilities(judge)
    const backwards = (await probabilities(judge, [...requests].reverse())).reverse()
    together.forEach((p, i) => assert.ok(Math.abs(p - backwards[i]!) < 1e-6, `${i}: ${p} and ${backwards[i]}`))
  })

  test('in a process of its own; too long a text is its own error; labels must be tokens', async () => {
    const judge = {
      id: 'judge_1', version: 1, template: 'answer-correctness', labels, min_label_mass: 0.5, engine: 'llama.cpp' as const,
      model: { type: 'local' as const, path: gguf },
    } // prettier-ignore
    const options = { roots: [dirname(gguf)], hub: { cacheFolder: '/nonexistent' }, threads: 2 }
    const host = localJudgeHost(judge, folderBlobStore(temporaryFolder()), options)
    const long = { messages: [{ role: 'user' as const, content: '7 '.repeat(20_000) }], labels: ['Yes', 'No'] }
    const [scored, tooLong] = await host.firstTokenLogprobs([requests[0]!, long])
    assert.ok(!(scored instanceof Error))
    assert.ok(tooLong instanceof Error)
    assert.match(tooLong.message, /of the judge's context; shorten them/)
    const refusal = { code: 'judge_labels_not_single_token' }
    await assert.rejects(llamaJudgeClient(gguf, { labels: { yes: 'Unquestionably', no: 'No' } }), refusal)
  })
} else test('a real GGUF file', { skip: 'set GAVEL_TEST_GGUF and install node-llama-cpp' })
