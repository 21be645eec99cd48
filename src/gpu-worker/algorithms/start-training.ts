import type { ScheduleName } from '../../core/rl/schedules.ts'
import type { CheckpointKeep, Recompute } from '../../core/schemas/training.ts'
import { openTraining, trainingFiles, type Training } from '../checkpoint/training-files.ts'
import type { Weights } from '../models/weights.ts'
import type { RowCodec, RowFormat } from '../text/row-codec.ts'
import type { LoraSettings } from '../training/lora.ts'
import { Trainer } from '../training/trainer.ts'
import { checkRoom } from './check-room.ts'
import { finiteOrStop, REMEDIES } from './finite-or-stop.ts'
import { planMemory, unboundedPlan, type MemoryNeeds, type MemoryPlan } from './memory-plan.ts'
import { openRows } from './prompts.ts'
import { RunStopped, type RunContext, type RunState } from './run-context.ts'

/** The part of a job's config that every kind of training has. */
interface TrainingConfig {
  seed: number
  lora?: (LoraSettings & { merge: 'last' | 'every' }) | undefined
  memory_budget_mb?: number | undefined
  micro_batch_tokens?: number | undefined
  recompute?: Recompute | undefined
  steps: number
  learning_rate: number
  warmup_steps: number
  schedule: ScheduleName
  weight_decay: number
  beta1: number
  beta2: number
  adam_epsilon: number
  clip_norm: number
  checkpoint_every: number
  keep?: CheckpointKeep | undefined
}

interface CommitOptions {
  last?: boolean
  files?: Record<string, Weights>
}

interface BestOptions {
  /** Whether something says which of its checkpoints is the best. */
  hasBest?: boolean
  /** Steps between looks of which each may be the best so far, and is kept then; 0: what is best decides on no commit. */
  bestEvery?: number
}

/** What a run trains, and how its rows become ids. */
export interface OpenedRun {
  training: Training
  rows: RowCodec
}

/** Opens the model, or the checkpoint the run goes on from. Nothing is computed yet: first come limits and rows. */
export async function openRun(
  context: RunContext,
  { config, ...format }: RowFormat & { config: Pick<TrainingConfig, 'seed' | 'lora'> },
  { valueHead = false }: { valueHead?: boolean | undefined } = {},
): Promise<OpenedRun> {
  const { resume } = context
  // Updates are not steps: a step may make several, or none.
  const point = resume && { folder: resume.folder, base: resume.state.base, updates: resume.state.updates as number }
  const opened = await openTraining(() => context.openModel(), { ...config, valueHead }, point)
  const rows = openRows(opened.folder.codec, format, context)
  // What is committed says how it was trained.
  const training = { ...opened, folder: { ...opened.folder, codec: rows.codec, tokenizer: rows.codec.files } }
  return { training, rows }
}

/**
 * Makes a trainer of what was opened. `commitWhenDue` ends each step: it commits a checkpoint where one is due, and stops
 * the run where that was asked.
 */
export async function startTraining(
  { training, rows }: OpenedRun,
  context: RunContext,
  config: TrainingConfig,
  { hasBest = false, bestEvery = 0, ...options }: Omit<MemoryNeeds, 'model'> & BestOptions,
) {
  const { resume } = context
  const { model, weights, folder } = training
  const { loss, maxTokens } = options
  checkRoom(
    training,
    {
      steps: config.steps,
      checkpointEvery: bestEvery ? Math.min(bestEvery, config.checkpoint_every || bestEvery) : config.checkpoint_every,
      keep: config.keep,
      hasBest,
      copies: { reference: options.rollouts?.reference === 'trained', best: options.rollouts?.best ?? false },
      mergeEvery: config.lora?.merge === 'every' || bestEvery > 0,
    },
    context,
  )
  const optimizer = {
    beta1: config.beta1,
    beta2: config.beta2,
    epsilon: config.adam_epsilon,
    weightDecay: config.weight_decay,
    clipNorm: config.clip_norm || Infinity,
  }
  const plan = chosenPlan({ ...options, model }, config, context)
  const trainer = await Trainer.create(
    model,
    weights,
    { loss, optimizer, maxTokens, recompute: plan.recompute, threads: context.threads, device: context.device },
    training.optimizer,
  )

  const commit = async (step: number, state: RunState, { last = true, files = {} }: CommitOptions = {}) => {
    // An update may overflow although loss and gradient were sound.
    const sums = [...weights].map(([name, { data }]) => [`the sum of ${name}`, sum(data)])
    finiteOrStop(step, Object.fromEntries(sums), REMEDIES.update)
    const merged = last || config.lora?.merge === 'every'
    const { shardBytes } = context
    const write = await trainingFiles(training, trainer.state, { merged, files, shardBytes })
    const noted = { updates: trainer.state.steps, plan, ...(training.base && { base: training.base }) }
    await context.checkpoint(step, { ...state, ...noted }, write)
  }

  return {
    model,
    weights,
    /** How its rows become ids. */
    rows,
    trainer,
    /** How much is computed at once. */
    plan,
    /** The model as it was before any training, with weights that stay so: LoRA's base, or a copy opened for it. */
    firstPolicy: async () => (training.base ? folder : context.openModel()),
    firstStep: (resume?.step ?? 0) + 1,
    state: resume?.state,
    schedule: {
      schedule: config.schedule,
      peak: config.learning_rate,
      warmupSteps: config.warmup_steps,
      totalSteps: config.steps,
    },
    /**
     * @param files more of the run's tensors to keep, by the name of their file
     * @param wanted whether this step is to be kept, and as a model that can be used, whether or not it is due
     */
    async commitWhenDue(
      step: number,
      state: RunState,
      { files = {}, wanted = false }: { files?: Record<string, Weights>; wanted?: boolean } = {},
    ): Promise<void> {
      const last = step === config.steps
      const stopping = context.stopRequested()
      const due = config.checkpoint_every > 0 && step % config.checkpoint_every === 0
      if (last || stopping || due || wanted) await commit(step, state, { last: last || wanted, files })
      if (stopping && !last) throw new RunStopped(`stopped after step ${step}`)
    },
    /** Commits what a run ends with. */
    commit,
  }
}

/**
 * How much the run computes at once: what its config says, what it chose when it began (another choice would round
 * differently), and else what fits its budget. Throws `unavailable_here` where nothing does.
 */
function chosenPlan(
  needs: MemoryNeeds,
  config: TrainingConfig,
  { resume, event, memoryBudgetMb }: RunContext,
): MemoryPlan {
  const set = { recompute: config.recompute, microBatchTokens: config.micro_batch_tokens }
  const before = resume?.state.plan as MemoryPlan | undefined
  const megabytes = config.memory_budget_mb ?? memoryBudgetMb
  if (megabytes === undefined) return before ?? unboundedPlan(needs, set)
  const { bytes, ...plan } = fitting(before) ?? planMemory(needs, set, megabytes * 1e6)
  const { recompute, microBatchTokens, slots } = plan
  event(
    'info',
    `memory: recompute ${recompute}, ${microBatchTokens} tokens a pass${slots ? `, ${slots} answers at once` : ''}: about ${Math.ceil(bytes / 1e6)} of ${megabytes} MB`,
    { ...plan, bytes, budget_mb: megabytes },
  )
  return plan

  /** The plan that the run began with, where this worker has room for it. */
  function fitting(before: MemoryPlan | undefined) {
    if (!before) return null
    try {
      return planMemory(needs, before, megabytes! * 1e6)
    } catch {
      event('warning', 'memory: there is less than where the run began, so from here on its steps round differently')
      return null
    }
  }
}

/** In double precision, where single ones do not overflow: infinite or NaN only if one of them is. */
const sum = (data: Float32Array): number => data.reduce((total, x) => total + x, 0)
