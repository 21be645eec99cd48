import { GavelError } from '../../core/errors.ts'
import { DataCursor, type CursorState } from '../../core/rl/data-cursor.ts'
import { learningRateAt } from '../../core/rl/schedules.ts'
import type { SftSpec } from '../../core/schemas/sft.ts'
import { MAX_STEPS } from '../../core/schemas/training.ts'
import { accumulateGradients } from '../training/accumulate-gradients.ts'
import { trainedTokens } from '../training/batch.ts'
import { finiteOrStop, REMEDIES } from './finite-or-stop.ts'
import type { RunContext } from './run-context.ts'
import { openRun, startTraining } from './start-training.ts'
import { readSupervisedRows } from './supervised-rows.ts'
import { rowLimit } from './token-limits.ts'
import { Validation, type ValidationState } from './validation.ts'

/** Supervised fine-tuning: cross-entropy on the completions, mean over the tokens of each step's rows. */
export async function sft(spec: SftSpec, context: RunContext) {
  const { config } = spec
  const opened = await openRun(context, spec)
  const maxTokens = rowLimit(config.max_tokens, opened.training.model.contextLength, context)
  const { rows, held, long } = readSupervisedRows(spec, opened, maxTokens, context)
  const steps = stepsOf(config, rows.length, context)
  const { validation_every: every, early_stop: earlyStop } = config
  const run = await startTraining(opened, context, { ...config, steps }, {
    loss: 'cross-entropy',
    maxTokens,
    scorers: Number(held !== null),
    hasBest: held !== null,
    bestEvery: held && earlyStop ? every : 0,
  }) // prettier-ignore
  const validation =
    held &&
    (await Validation.open(
      held.rows,
      { role: held.role, every, steps, earlyStop, maxTokens },
      run,
      context,
      run.state?.validation,
    ))
  const cursor = new DataCursor(rows.length, `sft/${config.seed}`, run.state?.cursor as CursorState | undefined)
  let loss = run.state?.loss as number
  let step = run.firstStep - 1
  if (step === 0) {
    const seen = await validation?.look(0)
    if (seen) context.metrics(0, { validation_loss: seen.loss })
  }

  while (step < steps && !validation?.exhausted) {
    step++
    const started = context.clock.now()
    const chosen = cursor.take(config.batch_size).map((i) => rows.at(i)!)
    const tokens = chosen.reduce((sum, row) => sum + trainedTokens(row), 0)
    const accumulated = await accumulateGradients(
      run.trainer,
      chosen.map((row) => ({ ...row, weight: 1 / tokens })),
      { microBatchTokens: run.plan.microBatchTokens },
    )
    ;({ loss } = accumulated)
    const named = (row: { line: number }) => ({ role: 'dataset', line: row.line })
    finiteOrStop(step, { loss }, REMEDIES.supervised, accumulated.broken.map((i) => named(chosen[i]!))) // prettier-ignore
    const rate = learningRateAt(step - 1, run.schedule)
    const { gradientNorm } = await run.trainer.step(rate)
    finiteOrStop(step, { gradientNorm }, REMEDIES.supervised, chosen.map(named))
    const seconds = (context.clock.now() - started) / 1000
    const seen = await validation?.look(step)
    context.metrics(step, {
      loss,
      ...(seen && { validation_loss: seen.loss }),
      gradient_norm: gradientNorm,
      learning_rate: rate,
      tokens,
      'seconds/step': seconds,
    })
    const saved = { cursor: cursor.state(), loss, ...(validation && { validation: validation.state }) }
    if (step < steps && validation?.exhausted) {
      sayStopped(step, validation.state, context)
      await run.commit(step, saved)
    } else {
      await run.commitWhenDue(step, saved, { wanted: seen?.isBest && earlyStop !== undefined })
    }
  }
  return {
    steps: step,
    loss,
    ...(validation && { validation: { rows: held.rows.length, ...resultOf(validation.state, step < steps) } }),
    ...long.result(),
  }
}

/** How many steps the job's epochs are; their last batch goes on into the next epoch's rows where it is not full. */
function stepsOf(
  { steps, epochs, batch_size }: SftSpec['config'],
  rows: number,
  { event, resume }: RunContext,
): number {
  if (steps !== undefined) return steps
  // What a float is too large by must not make one step more.
  const wanted = Math.max(1, Math.ceil((epochs! * rows) / batch_size - 1e-6))
  if (wanted > MAX_STEPS) {
    const message = `${epochs} epochs of ${rows} rows are ${wanted} steps of ${batch_size}, more than the ${MAX_STEPS} of a job; give fewer epochs, or a larger batch_size`
    throw new GavelError('unprocessable', message, { param: 'config.epochs' })
  }
  if (!resume) {
    const message = `${epochs} epochs of ${rows} rows are ${wanted} steps of ${batch_size}`
    event('info', message, { steps: wanted, epochs: epochs!, rows })
  }
  return wanted
}

function sayStopped(step: number, { best, inVain }: ValidationState, { event }: RunContext): void {
  event(
    'info',
    `stopped after step ${step}: ${inVain} looks at validation_loss in a row found it no better; the best was ${best!.loss.toPrecision(6)}, after step ${best!.step}`,
    { stopped_at: step, best: { ...best! } },
  )
}

const resultOf = ({ before, last, best }: ValidationState, stoppedEarly: boolean) => ({
  before,
  last,
  best,
  stopped_early: stoppedEarly,
})
