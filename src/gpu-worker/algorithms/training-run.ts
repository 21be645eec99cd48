import { GavelError } from '../../core/errors.ts'
import type { ScheduleName } from '../../core/rl/schedules.ts'
import type { Recompute } from '../../core/schemas/training.ts'
import { openTraining, trainingFiles } from '../checkpoint/training-files.ts'
import type { LoraSettings } from '../engines/lora.ts'
import { Trainer } from '../engines/trainer.ts'
import type { Weights } from '../engines/weights.ts'
import type { LossName } from '../losses/index.ts'
import { RunStopped, type RunContext, type RunState } from './run-context.ts'

/** The part of a job's config that every kind of training has. */
interface TrainingConfig {
  seed: number
  lora?: (LoraSettings & { merge: 'last' | 'every' }) | undefined
  recompute: Recompute
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

interface CommitOptions {
  last?: boolean
  files?: Record<string, Weights>
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
  { loss, maxTokens, valueHead = false }: { loss: LossName; maxTokens: number; valueHead?: boolean },
) {
  const { resume } = context
  // Updates are not steps: a step may make several, or none.
  const point = resume && { folder: resume.folder, base: resume.state.base, updates: resume.state.updates as number }
  const training = await openTraining(() => context.openModel(), { ...config, valueHead }, point)
  const { model, weights, folder } = training
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
  const options = { loss, optimizer, maxTokens, recompute: config.recompute, threads: context.threads }
  const trainer = await Trainer.create(model, weights, options, training.optimizer)

  const commit = async (step: number, state: RunState, { last = true, files = {} }: CommitOptions = {}) => {
    // An update may overflow although loss and gradient were sound.
    const sums = [...weights].map(([name, { data }]) => [`the sum of ${name}`, sum(data)])
    finiteOrStop(step, Object.fromEntries(sums), 'with a lower learning_rate or less weight_decay')
    const merged = last || config.lora?.merge === 'every'
    const write = await trainingFiles(training, trainer.state, { merged, files })
    const noted = { updates: trainer.state.steps, ...(training.base && { base: training.base }) }
    await context.checkpoint(step, { ...state, ...noted }, write)
  }

  return {
    model,
    weights,
    codec: folder.codec,
    trainer,
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
    /** @param files more of the run's tensors to keep, by the name of their file */
    async commitWhenDue(step: number, state: RunState, files: Record<string, Weights> = {}): Promise<void> {
      const last = step === config.steps
      const stopping = context.stopRequested()
      const due = config.checkpoint_every > 0 && step % config.checkpoint_every === 0
      if (last || stopping || due) await commit(step, state, { last, files })
      if (stopping && !last) throw new RunStopped(`stopped after step ${step}`)
    },
    /** Commits what a run ends with. */
    commit,
  }
}

/**
 * Throws `diverged` where a number of the step is NaN or infinite: what is committed stays the last good state.
 * @param remedy what to do differently, e.g. `with a lower learning_rate`
 * @param rows the rows of the data that it may have come from
 */
export function finiteOrStop(
  step: number,
  numbers: Record<string, number>,
  remedy: string,
  rows: readonly { role: string; line: number }[] = [],
): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (Number.isFinite(value)) continue
    throw new GavelError(
      'diverged',
      `step ${step}: ${name} is ${value}${naming(rows)}. Nothing of this step was kept; start a job from the last checkpoint, or from the model, ${remedy}.`,
    )
  }
}

/** Most rows that a message names. */
const NAMED_ROWS = 10

/** `, from labelled, lines 3, 7; unlabelled, line 2`. */
function naming(rows: readonly { role: string; line: number }[]): string {
  const distinct = [...new Map(rows.map((row) => [`${row.role} ${row.line}`, row])).values()]
  const named = distinct.slice(0, NAMED_ROWS)
  const parts = [...new Set(named.map(({ role }) => role))].map((role) => {
    const lines = named.filter((row) => row.role === role).map(({ line }) => line)
    return `${role}, line${lines.length > 1 ? 's' : ''} ${lines.join(', ')}`
  })
  const more = distinct.length - named.length
  return parts.length ? `, from ${parts.join('; ')}${more > 0 ? ` and ${more} more` : ''}` : ''
}

/** In double precision, where single ones do not overflow: infinite or NaN only if one of them is. */
const sum = (data: Float32Array): number => data.reduce((total, x) => total + x, 0)
