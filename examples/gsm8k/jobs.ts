/** The jobs of the run. Every name in them stands for the newest resource of that name. */
import type { NewJob, NewJudge } from '../../src/client.ts'

type SftJob = Extract<NewJob, { type: 'sft' }>
type GrpoJob = Extract<NewJob, { type: 'grpo' }>
type EvalJob = Extract<NewJob, { type: 'eval' }>

/** SmolLM2's own turns, without the system message it would put before them: 25 tokens less a row. */
const PROMPT = '<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n'
const MAX_NEW_TOKENS = 96

/** What the judge is shown, in training and in use. It goes through the model's chat template. */
export const JUDGE = {
  template: { system: 'Grade the answer.', user: '{question}\n\n{answer}\n\nIs this correct?' },
  labels: { yes: 'Yes', no: 'No' },
} satisfies Omit<NewJudge, 'provider'>

/** The student learns to write short chains that end in `#### N`. Done twice: the second job goes on from the first. */
export const warmup = (model: 'smollm2' | 'beginner'): SftJob => ({
  type: 'sft',
  name: `warmup-of-${model}`,
  model,
  dataset: 'warmup',
  prompt_template: PROMPT,
  config: {
    seed: model === 'smollm2' ? 1 : 2,
    steps: 180,
    batch_size: 16,
    max_tokens: 256,
    learning_rate: 2e-4,
    warmup_steps: 5,
    schedule: 'linear',
    micro_batch_tokens: 1024,
  },
})

/** The judge learns to say Yes or No to answers of the warmed-up student. */
export const judgeTraining = (): SftJob => ({
  type: 'sft',
  name: 'judge-training',
  model: 'warm',
  dataset: 'judge-training',
  prompt_template: PROMPT,
  config: {
    seed: 1,
    steps: 240,
    batch_size: 16,
    checkpoint_every: 120,
    max_tokens: 512,
    learning_rate: 1e-4,
    warmup_steps: 5,
    schedule: 'linear',
    micro_batch_tokens: 1024,
  },
})

/** Done twice as well, the second time with bigger steps and other prompts. */
export const grpo = (model: 'warm' | 'reinforced'): GrpoJob => ({
  type: 'grpo',
  name: `grpo-of-${model}`,
  model,
  data: { labelled: 'labelled', unlabelled: 'unlabelled', canary: 'canary' },
  prompt_template: PROMPT,
  // An unlabelled answer earns what the judge adds to a labelled one's reward, not five times that.
  reward: { lambda: 0.8, mu: 0.2, normalise: 'none', verifier: 'math', judge: 'taught' },
  config: {
    seed: model === 'warm' ? 1 : 2,
    steps: 40,
    // Not divided by the group's deviation: where a judge sees next to no difference, it shall teach next to nothing.
    advantage: 'group_mean',
    aggregate: 'token_mean',
    prompts_per_step: 24,
    group_size: 8,
    labelled_share: 0.5,
    max_prompt_tokens: 256,
    max_new_tokens: MAX_NEW_TOKENS,
    learning_rate: model === 'warm' ? 1e-5 : 2e-5,
    warmup_steps: 2,
    schedule: 'linear',
    beta2: 0.95,
    checkpoint_every: 20,
    canary_every: 10,
    micro_batch_tokens: 1024,
  },
})

/** Greedy answers to problems never trained on, all kept, so that two models can be compared row by row. */
export const evaluation = (name: string, model: string, dataset: string): EvalJob => ({
  type: 'eval',
  name,
  model,
  dataset,
  prompt_template: PROMPT,
  verifier: 'math',
  config: { max_prompt_tokens: 512, max_new_tokens: MAX_NEW_TOKENS, samples: 100_000 },
})

/** Answers to each question, where several are drawn. */
export const ANSWERS = 4

/** Answers as GRPO draws them, all kept. */
export const rollouts = (name: string, model: string, dataset: string): EvalJob => {
  const job = evaluation(name, model, dataset)
  return { ...job, config: { ...job.config, temperature: 1, seed: 1, group_size: ANSWERS } }
}

/** What a judge makes of such answers to canary questions. */
export const judgeTest = (name: string, model: string, judge: string): EvalJob => ({
  ...rollouts(name, model, 'canary'),
  judge,
})

/** The same job over in a minute: to see that everything is in place. */
export function tiny<J extends NewJob>(job: J): J {
  const config =
    job.type === 'eval'
      ? { ...job.config, limit: 6, max_new_tokens: 24 }
      : job.type === 'sft'
        ? { ...job.config, steps: 1, batch_size: 2 }
        : { ...job.config, steps: 2, prompts_per_step: 2, group_size: 2, max_new_tokens: 24 }
  return { ...job, config }
}
