/**
 * Lets students train against a judge alone, by Gavel's own GRPO, and keeps what they come to write: answers that
 * look right to it. The judge that ships is taught on them. About 5 minutes.
 *
 * usage: node demo/build/fooled-students.ts FOLDER JUDGE      (FOLDER: where the judge of that name was written)
 */
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { NO_CACHE, scoreItems } from '../../src/core/judges/score-items.ts'
import { grpoSpec } from '../../src/core/schemas/grpo.ts'
import { parse } from '../../src/core/schemas/parse.ts'
import { rewardRecipe } from '../../src/core/schemas/reward.ts'
import { grpo } from '../../src/gpu-worker/algorithms/grpo.ts'
import type { RunContext } from '../../src/gpu-worker/algorithms/run-context.ts'
import { localJudgeClient } from '../../src/gpu-worker/judge/local-judge-client.ts'
import { openFolder } from '../../src/gpu-worker/models/source.ts'
import { PythonSandbox } from '../../src/gpu-worker/sandbox/python-sandbox.ts'
import { problems } from '../problems.ts'
import { GRPO_CONFIG, JUDGE, PROMPT_TEMPLATE } from '../recipe.ts'
import { exportModel, readWeights } from './weights-file.ts'

const STUDENT = 600
const CHECKPOINTS = 15

const [folder = 'demo/build/out', judgeName = 'judge-weak'] = process.argv.slice(2)
exportModel(join(folder, 'student'), readWeights(join(folder, `teacher-${STUDENT}.safetensors`)))

for (const seed of [11, 12, 13]) {
  const target = join(folder, `fooled-${judgeName}-${seed}`)
  mkdirSync(target, { recursive: true })
  const judge = { id: judgeName, ...JUDGE, min_label_mass: 0.5 }
  const client = await localJudgeClient(openFolder(join(folder, judgeName)))
  const reward = parse(rewardRecipe, { lambda: 0, mu: 1, judge: judgeName, verifier: 'math' }, 'reward')
  const spec = parse(
    grpoSpec,
    {
      type: 'grpo',
      model: 'student',
      prompt_template: PROMPT_TEMPLATE,
      data: { unlabelled: 'problems', canary: 'canary' },
      reward,
      config: { ...GRPO_CONFIG, seed, steps: 60, checkpoint_every: CHECKPOINTS, canary_every: CHECKPOINTS },
    },
    'spec',
  )
  const rowsOf = {
    unlabelled: problems({ seed: 70_000 + seed, count: 640, heldout: false }),
    canary: problems({ seed: 80_000 + seed, count: 200, heldout: true }),
  }
  const context: RunContext = {
    clock: { now: () => performance.now() },
    threads: undefined,
    resume: null,
    openModel: async () => openFolder(join(folder, 'student')),
    rows: (role) =>
      rowsOf[role as keyof typeof rowsOf].map(({ question, answer }, i) => ({
        line: i + 1,
        row: { prompt: question, answer: String(answer) },
      })),
    judge: (items) => scoreItems(items, judge, client, NO_CACHE),
    programs: new PythonSandbox().runnerFor({ tenant: '' }),
    metrics: (step, values) => step % 5 === 0 && console.log(JSON.stringify({ seed, step, ...values })),
    event: (level, message) => console.log(`${level}: ${message}`),
    samples: () => {},
    async checkpoint(step, _state, write) {
      write(target)
      copyFileSync(join(target, 'model.safetensors'), join(target, `model-${step}.safetensors`))
    },
    stopRequested: () => false,
  }
  const { fallback_reward: _, ...rest } = spec
  await grpo({ ...rest, reward }, context)
}
