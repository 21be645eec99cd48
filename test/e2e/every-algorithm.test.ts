/** Every algorithm, stopped and taken up again, ends with the bytes of a run that nothing happened to. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { problems } from '../../demo/problems.ts'
import { PROMPT_TEMPLATE } from '../../demo/recipe.ts'
import { PRESETS } from '../../src/core/rl/presets.ts'
import { filesOf, runJob, type JobRun } from '../helpers/run-job.ts'

const MODEL = fileURLToPath(new URL('../../demo/models/student', import.meta.url))
const pool = problems({ seed: 77, count: 24, heldout: false })
const ROWS = {
  labelled: pool.slice(0, 5).map((p) => ({ prompt: p.question, answer: String(p.answer) })),
  unlabelled: pool.slice(5, 14).map((p) => ({ prompt: p.question })),
  canary: pool.slice(14, 18).map((p) => ({ prompt: p.question, answer: String(p.answer) })),
  dataset: pool.slice(18).map((p) => ({ prompt: p.question, completion: `#### ${p.answer}` })),
}
/** Some number of the answer's own: short ones are alike now and then, so groups without spread occur. */
const judge = ({ answer }: { answer?: string }) => ([...answer!].reduce((sum, c) => sum + c.charCodeAt(0), 0) % 4) / 4

const TRAINING = {
  seed: 5,
  steps: 4,
  learning_rate: 5e-4,
  warmup_steps: 2,
  schedule: 'cosine',
  weight_decay: 0.01,
  checkpoint_every: 3,
}
const REINFORCEMENT = {
  ...TRAINING,
  prompts_per_step: 3,
  group_size: 3,
  max_prompt_tokens: 96,
  max_new_tokens: 8,
  temperature: 3,
  epochs: 2,
  minibatches: 2,
  kl_coefficient: 0.05,
  kl_target: 0.01,
  kl_horizon: 100,
  overlong_penalty: 0.3,
  canary_every: 2,
}
const reinforcement = (type: 'grpo' | 'ppo', config: object) => ({
  type,
  model: 'student',
  data: { labelled: 'labelled', unlabelled: 'unlabelled', canary: 'canary' },
  prompt_template: PROMPT_TEMPLATE,
  reward: { lambda: 0.5, mu: 0.5, judge: 'judge', verifier: 'math', gate: false },
  config: { ...REINFORCEMENT, ...config },
})
const sft = (config: object) => ({
  type: 'sft',
  model: 'student',
  dataset: 'dataset',
  prompt_template: PROMPT_TEMPLATE,
  config: { ...TRAINING, batch_size: 4, max_tokens: 128, ...config },
})

const JOBS: Record<string, object> = {
  sft: sft({}),
  'sft, LoRA': sft({ lora: { rank: 4 } }),
  ...Object.fromEntries(
    Object.keys(PRESETS).map((algorithm) => [
      algorithm,
      // Masking what is cut off would leave little of answers so short.
      reinforcement('grpo', { algorithm, overlong_mask: false }),
    ]),
  ),
  'grpo, reference reset': reinforcement('grpo', { reference_reset_every: 2, importance_cap: 2, dual_clip: 3 }),
  'grpo, LoRA': reinforcement('grpo', { lora: { rank: 4 }, reference_reset_every: 2 }),
  'grpo, many passes a step, all of each layer computed again': reinforcement('grpo', {
    micro_batch_tokens: 100,
    recompute: 'all',
  }),
  'grpo, LoRA, what is computed at once chosen for a budget': reinforcement('grpo', {
    lora: { rank: 4 },
    memory_budget_mb: 320,
  }),
  'grpo, every term and treatment of rewards': {
    ...reinforcement('grpo', { aggregate: 'token_mean', advantage: 'batch' }),
    reward: {
      ...{ lambda: 0.4, mu: 0.3, rho: 0.3, judge: 'judge', reranker: 'judge', verifier: 'math', gate: false },
      ...{ routing: 'split', overlap: 0.5, clip: { min: 0.1, max: 0.9 }, pseudo_labels: {} },
      control: { kind: 'shuffled' },
    },
  },
  'grpo, rewards drawn at random': {
    ...reinforcement('grpo', {}),
    reward: { lambda: 0, mu: 1, judge: 'judge', gate: false, control: { kind: 'random' } },
  },
  'reinforce++, one answer a prompt': reinforcement('grpo', { algorithm: 'reinforce++', group_size: 1 }),
  'dapo, LoRA, few prompts': reinforcement('grpo', {
    algorithm: 'dapo',
    overlong_mask: false,
    dynamic_sampling: 2,
    lora: { rank: 4, merge: 'every' },
  }),
  'sft, many passes a step, LoRA on two projections': sft({
    lora: { rank: 2, targets: ['q_proj', 'v_proj'] },
    micro_batch_tokens: 64,
    recompute: 'cheap',
  }),
  ppo: reinforcement('ppo', {}),
  'ppo, many passes a step': reinforcement('ppo', { micro_batch_tokens: 100, minibatches: 3 }),
  'ppo, LoRA, reference reset': reinforcement('ppo', {
    lora: { rank: 4 },
    reference_reset_every: 2,
    importance_cap: 2,
  }),
}

const run = (spec: object, options: { resume?: JobRun['checkpoints'][number]; stopAfter?: number } = {}) =>
  // Judged elsewhere, where a run has the most under way at once.
  runJob(spec, { model: MODEL, rows: ROWS, judge, judgedElsewhere: true, ...options })

describe('stopped after a step and taken up again', () => {
  for (const [name, spec] of Object.entries(JOBS)) {
    test(name, async () => {
      const whole = await run(spec)
      assert.equal(whole.checkpoints.length, 2, 'one after 3 steps, one at the end')
      assert.ok(
        whole.metrics.every(({ values }) => !('loss' in values) || values.gradient_norm! > 0),
        `every step trains, or equal bytes would say nothing: ${JSON.stringify(whole.metrics)}`,
      )
      const first = await run(spec, { stopAfter: 2 })
      const at = first.checkpoints.at(-1)!
      assert.deepEqual([at.step, first.result], [2, null])
      const second = await run(spec, { resume: at })

      const [last, expected] = [second.checkpoints.at(-1)!, whole.checkpoints.at(-1)!]
      assert.deepEqual(last.state, expected.state)
      assert.deepEqual(filesOf(last), filesOf(expected))
      assert.deepEqual([...first.metrics, ...second.metrics], whole.metrics)
      assert.deepEqual([...first.samples, ...second.samples], whole.samples)
      assert.deepEqual(second.result, whole.result)
    })
  }
})

describe('defaults train: a reward that is easy to come by grows within twenty steps', () => {
  const byDigits = ({ answer }: { answer?: string }) =>
    (answer!.match(/\d/g)?.length ?? 0) / Math.max(1, answer!.length)
  const taught = {
    seed: 1,
    steps: 20,
    learning_rate: 3e-4,
    // The student is sure of how an answer begins, and would hardly try anything else.
    temperature: 1.5,
    max_prompt_tokens: 96,
    max_new_tokens: 12,
    canary_every: 0,
  }
  const spec = (type: 'grpo' | 'ppo', config: object) => ({
    ...reinforcement(type, {}),
    reward: { lambda: 0, mu: 1, judge: 'judge', gate: false },
    config: { ...taught, ...config },
  })
  const jobs: Record<string, object> = {
    ...Object.fromEntries(
      // Nothing of the student's ends within so few tokens: masking what is cut off would leave nothing.
      Object.keys(PRESETS).map((algorithm) => [algorithm, spec('grpo', { algorithm, overlong_mask: false })]),
    ),
    ppo: spec('ppo', { prompts_per_step: 64 }),
  }
  for (const [name, job] of Object.entries(jobs)) {
    test(name, async () => {
      const { metrics } = await runJob(job, { model: MODEL, rows: ROWS, judge: byDigits })
      const rewards = metrics.map(({ values }) => values.reward!)
      const mean = (some: number[]) => some.reduce((a, b) => a + b) / some.length
      assert.ok(mean(rewards.slice(-3)) > mean(rewards.slice(0, 3)) + 0.03, rewards.map((r) => r.toFixed(3)).join(' '))
    })
  }
})
