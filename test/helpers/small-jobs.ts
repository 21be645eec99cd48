/** Jobs on a model of noise, small enough to run in a test. */
import type { JudgeItem } from '../../src/core/judges/template.ts'
import { tinyModelFolder } from '../../testing/tiny-model-folder.ts'

export const MODEL = tinyModelFolder()
const prompts = (count: number, from: number) =>
  Array.from({ length: count }, (_, i) => ({ prompt: `What is ${from + i} + 1?` }))
export const ROWS = {
  labelled: prompts(4, 1).map((row, i) => ({ ...row, answer: String(i + 2) })),
  unlabelled: prompts(7, 20),
  dataset: prompts(6, 1).map((row, i) => ({ ...row, completion: `#### ${i + 2}` })),
}
const CONFIG = { seed: 3, steps: 2, prompts_per_step: 4, group_size: 4, max_prompt_tokens: 32, max_new_tokens: 6 }

export const job = (type: 'grpo' | 'ppo', config: object) => ({
  type,
  model: 'model',
  data: { labelled: 'labelled', unlabelled: 'unlabelled' },
  reward: { lambda: 0, mu: 1, judge: 'judge', gate: false },
  config: { ...CONFIG, ...config },
})

export const sft = (config: object) => ({
  ...{ type: 'sft', model: 'model', dataset: 'dataset' },
  config: { seed: 3, steps: 2, batch_size: 4, max_tokens: 48, ...config },
})

export const byLength = ({ answer }: JudgeItem) => (answer!.length % 5) / 5
