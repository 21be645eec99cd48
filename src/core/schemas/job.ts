/** A job and what can be watched of it. */
import * as v from 'valibot'
import { evalSpec } from './eval.ts'
import { fields, integer, jsonObject, text, unixSeconds } from './fields.ts'
import { grpoSpec } from './grpo.ts'
import { judgeAuditSpec, judgeCalibrateSpec } from './judge-jobs.ts'
import { ppoSpec } from './ppo.ts'
import type { RewardRecipe } from './reward.ts'
import { sftSpec } from './sft.ts'

export const jobSpec = v.variant('type', [sftSpec, grpoSpec, ppoSpec, evalSpec, judgeCalibrateSpec, judgeAuditSpec])
export type JobSpec = v.InferOutput<typeof jobSpec>
type WithRecipe<S> = S extends { reward: unknown }
  ? Omit<S, 'reward' | 'fallback_reward'> & { reward: RewardRecipe; fallback_reward?: RewardRecipe }
  : S
/** A spec as it is stored and leased: names are ids, and a recipe itself has taken the place of a reference to it. */
export type LeasedSpec<T extends JobType = JobType> = WithRecipe<Extract<JobSpec, { type: T }>>
export const JOB_TYPES = [
  'sft',
  'grpo',
  'ppo',
  'eval',
  'judge.calibrate',
  'judge.audit',
] as const satisfies readonly JobSpec['type'][]
export type JobType = (typeof JOB_TYPES)[number]

export const JOB_STATES = ['queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] as const
export type JobState = (typeof JOB_STATES)[number]

export const jobError = fields({
  code: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be a short word such as corrupt_model')),
  message: v.pipe(v.string(), v.maxLength(4000)),
})
export type JobError = v.InferOutput<typeof jobError>

export const job = v.object({
  id: v.string(),
  object: v.literal('job'),
  type: v.picklist(JOB_TYPES),
  name: v.nullable(v.string()),
  state: v.picklist(JOB_STATES),
  created_at: unixSeconds,
  started_at: v.nullable(unixSeconds),
  finished_at: v.nullable(unixSeconds),
  spec: v.pipe(jobSpec, v.description('The job as asked for, with defaults filled in and names resolved to ids.')),
  result: v.nullable(jsonObject('What the job found out; the shape depends on its type.')),
  error: v.nullable(jobError),
  attempt: v.pipe(v.number(), v.description('How often a worker has begun it.')),
  step: v.pipe(v.nullable(v.number()), v.description('The last step that metrics are known of.')),
  cancel_requested: v.boolean(),
  pause_requested: v.boolean(),
})
export type Job = v.InferOutput<typeof job>

const step = integer(0, 1_000_000, 'Optimizer step: 0 before the first, k after the k-th.')

/** The named numbers of one step. Posting a step again replaces the names given. */
export const metricPoint = fields({
  step,
  values: v.pipe(
    v.record(
      v.pipe(
        v.string(),
        v.regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/, 'is not a metric name (letters, digits, . _ / -)'),
      ),
      v.number(),
    ),
    v.maxEntries(256),
  ),
})
export type MetricPoint = v.InferOutput<typeof metricPoint>

/** One rollout, kept for people to read. Posting the same (step, split, index) again replaces it. */
export const sample = fields({
  step,
  split: v.optional(v.picklist(['train', 'canary', 'eval']), 'train'),
  index: integer(0, 1_000_000, 'Which of the step.'),
  prompt: text('The prompt as the model saw it.'),
  completion: text('What the model wrote.'),
  answer: v.optional(v.nullable(text('Gold, where known.'))),
  reward: v.optional(v.nullable(v.number())),
  terms: v.optional(jsonObject('The parts of the reward.')),
})
export type Sample = v.InferOutput<typeof sample>

export const EVENT_LEVELS = ['info', 'warning', 'error'] as const
export const eventPost = fields({
  level: v.optional(v.picklist(EVENT_LEVELS), 'info'),
  message: v.pipe(v.string(), v.minLength(1), v.maxLength(4000)),
  data: v.optional(jsonObject('Anything that goes with it.')),
})
export type EventPost = v.InferOutput<typeof eventPost>

export const jobEvent = v.object({
  id: v.pipe(v.string(), v.description('Sequence number; the cursor of lists and the id of server-sent events.')),
  object: v.literal('job.event'),
  created_at: unixSeconds,
  level: v.picklist(EVENT_LEVELS),
  message: v.string(),
  data: v.nullable(jsonObject('Anything that goes with it.')),
})
export type JobEvent = v.InferOutput<typeof jobEvent>
