/** What the demo's job is made of; its models were made with the same numbers (demo/build/). */

/** Shown to the judge: the question and the answer, nothing else. */
export const JUDGE = {
  template: { user: '{question}\n{answer}\nIs the answer correct?\n' },
  labels: { yes: 'Yes', no: 'No' },
}

export const GRPO_CONFIG = {
  aggregate: 'token_mean' as const,
  prompts_per_step: 32,
  group_size: 8,
  max_prompt_tokens: 96,
  max_new_tokens: 44,
  temperature: 1,
  learning_rate: 1.5e-4,
  warmup_steps: 3,
  beta2: 0.95,
  advantage_epsilon: 0.05,
  micro_batch_tokens: 4096,
}

/** What the student is given: the question on a line of its own. */
export const PROMPT_TEMPLATE = '{prompt}\n'
