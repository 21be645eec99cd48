import { DataCursor, type CursorState } from '../../core/rl/data-cursor.ts'
import { learningRateAt } from '../../core/rl/schedules.ts'
import type { SftSpec } from '../../core/schemas/sft.ts'
import { accumulateGradients } from '../training/accumulate-gradients.ts'
import { trainedTokens } from '../training/batch.ts'
import { finiteOrStop, REMEDIES } from './finite-or-stop.ts'
import { supervisedRow } from './prompts.ts'
import type { RunContext } from './run-context.ts'
import { startTraining } from './start-training.ts'

/** Supervised fine-tuning: cross-entropy on the completions, mean over the tokens of each step's rows. */
export async function sft(spec: SftSpec, context: RunContext) {
  const { config } = spec
  const run = await startTraining(context, config, { loss: 'cross-entropy', maxTokens: config.max_tokens })
  const options = { codec: run.codec, template: spec.prompt_template, maxTokens: config.max_tokens, role: 'dataset' }
  const rows = context.rows('dataset').map((row) => supervisedRow(row, options))
  const cursor = new DataCursor(rows.length, `sft/${config.seed}`, run.state?.cursor as CursorState | undefined)
  let loss = run.state?.loss as number

  for (let step = run.firstStep; step <= config.steps; step++) {
    const started = context.clock.now()
    const chosen = cursor.take(config.batch_size).map((i) => rows[i]!)
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
    context.metrics(step, {
      loss,
      gradient_norm: gradientNorm,
      learning_rate: rate,
      tokens,
      'seconds/step': (context.clock.now() - started) / 1000,
    })
    await run.commitWhenDue(step, { cursor: cursor.state(), loss })
  }
  return { steps: config.steps, loss }
}
