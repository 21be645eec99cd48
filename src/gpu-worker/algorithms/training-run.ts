import { join } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import type { ScheduleName } from '../../core/rl/schedules.ts'
import { OPTIMIZER_FILE, readOptimizer, writeOptimizer } from '../checkpoint/optimizer-file.ts'
import { Trainer } from '../engines/trainer.ts'
import type { LossName } from '../losses/index.ts'
import { openFolder, saveFolder, type ModelFolder } from '../models/source.ts'
import { RunStopped, type RunContext, type RunState } from './run-context.ts'

/** The part of a job's config that every kind of training has. */
interface TrainingConfig {
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
}

/** Stands for "no clipping": no gradient is this long. */
const UNCLIPPED = 3e38

/**
 * Opens the model, or the checkpoint the run goes on from, and makes a trainer of it. `commitWhenDue` ends
 * each step: it commits a checkpoint where one is due, and stops the run where that was asked.
 */
export async function startTraining(
  context: RunContext,
  config: TrainingConfig,
  { loss, maxTokens }: { loss: LossName; maxTokens: number },
) {
  const { resume } = context
  const folder: ModelFolder = resume ? openFolder(resume.folder) : await context.openModel()
  const { model, weights, codec } = folder
  if (maxTokens > model.contextLength) {
    throw new GavelError(
      'prompt_too_long',
      `rows may have up to ${maxTokens} tokens, but the model's context is ${model.contextLength}; lower the limits in config`,
    )
  }
  const optimizer = {
    beta1: config.beta1,
    beta2: config.beta2,
    epsilon: config.adam_epsilon,
    weightDecay: config.weight_decay,
    clipNorm: config.clip_norm || UNCLIPPED,
  }
  // Updates are not steps: a step may make several, or none.
  const updates = resume?.state.updates as number
  const memory = resume ? readOptimizer(join(resume.folder, OPTIMIZER_FILE), model, updates) : undefined
  const trainer = await Trainer.create(model, weights, { loss, optimizer, maxTokens, threads: context.threads }, memory)

  const commit = async (step: number, state: RunState) => {
    // An update may overflow although loss and gradient were sound.
    const sums = [...weights].map(([name, { data }]) => [`the sum of ${name}`, sum(data)])
    finiteOrStop(step, Object.fromEntries(sums), 'with a lower learning_rate or less weight_decay')
    await context.checkpoint(step, { ...state, updates: trainer.state.steps }, (target) => {
      saveFolder(target, { ...folder, dtype: 'F32' })
      writeOptimizer(join(target, OPTIMIZER_FILE), trainer.state)
    })
  }

  return {
    model,
    weights,
    codec,
    trainer,
    firstStep: (resume?.step ?? 0) + 1,
    state: resume?.state,
    schedule: {
      schedule: config.schedule,
      peak: config.learning_rate,
      warmupSteps: config.warmup_steps,
      totalSteps: config.steps,
    },
    async commitWhenDue(step: number, state: RunState): Promise<void> {
      const last = step === config.steps
      const stopping = context.stopRequested()
      const due = config.checkpoint_every > 0 && step % config.checkpoint_every === 0
      if (last || stopping || due) await commit(step, state)
      if (stopping && !last) throw new RunStopped(`stopped after step ${step}`)
    },
    commit,
  }
}

/**
 * Throws `diverged` where a number of the step is NaN or infinite: what is committed stays the last good state.
 * @param remedy what to do differently, e.g. `with a lower learning_rate`
 */
export function finiteOrStop(step: number, numbers: Record<string, number>, remedy: string): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (Number.isFinite(value)) continue
    throw new GavelError(
      'diverged',
      `step ${step}: ${name} is ${value}. Nothing of this step was kept; start a job from the last checkpoint, or from the model, ${remedy}.`,
    )
  }
}

/** In double precision, where single ones do not overflow: infinite or NaN only if one of them is. */
const sum = (data: Float32Array): number => data.reduce((total, x) => total + x, 0)
