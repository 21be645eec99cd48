import { test } from 'node:test'
import { makeBatch } from '../../../src/gpu-worker/engines/batch.ts'
import { logitsGraph } from '../../../src/gpu-worker/engines/training-graph.ts'
import { weightTensors } from '../../../src/gpu-worker/engines/weights.ts'
import { LabelScorer } from '../../../src/gpu-worker/rollout/label-scorer.ts'
import { Session } from '../../../src/gpu-worker/runtime/session.ts'
import { float32 } from '../../../src/gpu-worker/runtime/tensors.ts'
import { assertClose } from '../../helpers/close.ts'
import { softmax } from '../../helpers/nd-array.ts'
import { fixtureModel } from '../../helpers/tiny-model.ts'

test('scores are the log-softmax of the logits after each text, in the order asked', async () => {
  const { model, weights } = fixtureModel('llama')
  const texts = [[5, 9, 33], [7], [101, 4, 55, 23, 88, 12, 9, 150], [42, 42]]
  const labels = [17, 3, 159]
  const scorer = await LabelScorer.create(model, weights, { maxTokens: 32, threads: 1 })
  const scores = await scorer.score(texts, labels)
  await scorer.release()

  const session = await Session.create(logitsGraph(model, { maxTokens: 32 }), { threads: 1 })
  const V = model.vocabularySize
  for (const [i, text] of texts.entries()) {
    const { ids, positions, mask } = makeBatch([{ ids: text, start: text.length }]).inputs
    const logits = float32(new Float32Array(text.length * V), [text.length, V])
    await session.run({ ...weightTensors(weights), ids, positions, mask }, { logits })
    const last = softmax([...(logits.data as Float32Array).subarray(-V)])
    assertClose(
      scores[i]!,
      labels.map((label) => Math.log(last[label]!)),
      1e-5,
      `text ${i}`,
    )
  }
  await session.release()
})
