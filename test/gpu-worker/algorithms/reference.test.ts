import assert from 'node:assert/strict'
import { test } from 'node:test'
import { referenceCopy } from '../../../src/gpu-worker/algorithms/reference.ts'

test('what a reference costs: nothing without KL, what is trained where it is reset, else a whole model but for LoRA', () => {
  const lora = { rank: 2 }
  const table = [
    [{ kl_coefficient: 0, reference_reset_every: 0 }, 'nothing'],
    [{ kl_coefficient: 0, reference_reset_every: 5 }, 'nothing'],
    [{ kl_coefficient: 0, reference_reset_every: 5, lora }, 'nothing'],
    [{ kl_coefficient: 0.1, reference_reset_every: 1 }, 'trained'],
    [{ kl_coefficient: 0.1, reference_reset_every: 1, lora }, 'trained'],
    [{ kl_coefficient: 0.1, reference_reset_every: 0 }, 'whole'],
    [{ kl_coefficient: 0.1, reference_reset_every: 0, lora }, 'nothing'],
  ] as const
  for (const [config, expected] of table) assert.equal(referenceCopy(config), expected, JSON.stringify(config))
})
