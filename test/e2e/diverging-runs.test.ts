import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { GavelError } from '../../src/core/errors.ts'
import type { Resume } from '../../src/gpu-worker/algorithms/run-context.ts'
import { runJob } from '../helpers/run-job.ts'
import { byLength, job, MODEL, ROWS } from '../helpers/small-jobs.ts'

describe('a run that diverges says at which step and which rows, and keeps its last good checkpoint', () => {
  // The decay takes away a multiple of what there is: weights grow until they overflow.
  const wild = { learning_rate: 10, weight_decay: 10, steps: 60, checkpoint_every: 1, clip_norm: 0 }
  const sft = (config: object) => ({ type: 'sft', model: 'model', dataset: 'dataset', config: { ...wild, seed: 1, batch_size: 2, max_tokens: 64, ...config } }) // prettier-ignore
  // A KL in the loss, so that GRPO goes on where all answers have become the same.
  const grpo = (config: object) => job('grpo', { ...wild, kl_coefficient: 0.1, ...config })
  const ppo = (config: object) => job('ppo', { ...wild, epochs: 1, minibatches: 1, ...config })
  const lora = { rank: 2, alpha: 64 }
  const specs = {
    sft: sft({}),
    'sft, LoRA': sft({ lora }),
    grpo: grpo({}),
    'grpo, LoRA': grpo({ lora }),
    ppo: ppo({}),
    'ppo, LoRA': ppo({ lora }),
    'ppo, by its value head alone': ppo({ learning_rate: 0, value_learning_rate: 10 }),
  }
  for (const [name, spec] of Object.entries(specs)) {
    test(name, async () => {
      const checkpoints: Resume[] = []
      const of = { model: MODEL, rows: ROWS, judge: byLength }
      const error = await runJob(spec, { ...of, onCheckpoint: (checkpoint) => void checkpoints.push(checkpoint) }).then(
        () => assert.fail('it did not diverge'),
        (error: unknown) => error as GavelError,
      )
      assert.equal(error.code, 'diverged', error.message)
      assert.match(error.message, /^step \d+: .* is (NaN|-?Infinity)/)
      if (!error.message.includes('the sum of')) {
        assert.match(error.message, /from (dataset|labelled|unlabelled), lines? \d/)
      }
      const last = checkpoints.at(-1)!
      assert.equal(last.step, Number(/^step (\d+)/.exec(error.message)![1]) - 1)
      assert.equal('base' in last.state, name.includes('LoRA'))
      // Nothing in it is NaN, which reading would refuse; going on from it meets the same end.
      await assert.rejects(runJob(spec, { ...of, resume: last }), { code: 'diverged', message: error.message })
    })
  }
})
