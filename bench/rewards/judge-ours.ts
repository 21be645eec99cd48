/** Our side of the judge's rows, in a process of its own: `node judge-ours.ts WORKLOAD` prints JudgeSeconds. */
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { modelFromConfig } from '../../src/gpu-worker/models/index.ts'
import { LabelScorer } from '../../src/gpu-worker/rollout/label-scorer.ts'
import { randomWeights } from '../engine/random-weights.ts'
import type { JudgeSeconds, JudgeWorkload } from './judge-workload.ts'

const { config, questions, questionTokens, answerTokens, threads } = JSON.parse(process.argv[2]!) as JudgeWorkload
const model = modelFromConfig(config)
const rng = new SeededRng('tokens')
const draw = (length: number) => Array.from({ length }, () => rng.uint32() % model.vocabularySize)
const texts = Array.from({ length: questions }, () => draw(questionTokens)).flatMap((question) =>
  answerTokens.map((length) => [...question, ...draw(length)]),
)
const scorer = await LabelScorer.create(model, randomWeights(model), { maxTokens: 512, threads })
await scorer.score(texts.slice(0, answerTokens.length), [0, 1])
const started = performance.now()
await scorer.score(texts, [0, 1])
console.log(JSON.stringify({ shared: (performance.now() - started) / 1000 } satisfies JudgeSeconds))
