import { DataCursor, type CursorState } from '../../core/rl/data-cursor.ts'
import { learningRateAt } from '../../core/rl/schedules.ts'
import type { SftSpec } from '../../core/schemas/sft.ts'
import { accumulateGradients } from '../training/accumulate-gradients.ts'
import { trainedTokens } from '../training/batch.ts'
import { finiteOrStop, REMEDIES } from './finite-or-stop.ts'
import { PreparedRows } from './prepared-rows.ts'
import { supervisedRow } from './prompts.ts'
import type { RunContext } from './run-context.ts'
import { startTraining } from './start-training.ts'

/** Supervised fine-tuning: cross-entropy on the completions, mean over the tokens of each step's rows. */
export async function sft(spec: SftSpec, context: RunContext) {
  const { config } = spec
  const run = await startTraining(context, spec, { loss: 'cross-entropy', maxTokens: config.max_tokens })
  const options = { rows: run.rows, maxTokens: config.max_tokens, role: 'dataset' }
  const joined: number[] = []
  const rows = new PreparedRows(
    context.rows('dataset'),
    (row) => supervisedRow(row, options),
    (row) => {
      if (row.joined) joined.push(row.line)
    },
  )
  warnOfJoined(joined, rows.length, context)
  const cursor = new DataCursor(rows.length, `sft/${config.seed}`, run.state?.cursor as CursorState | undefined)
  let loss = run.state?.loss as number

  for (let step = run.firstStep; step <= config.steps; step++) {
    const started = context.clock.now()
    const chosen = cursor.take(config.batch_size).map((i) => rows.at(i))
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

/**
 * Where a token holds the end of a prompt and the beginning of its completion, no prompt ever ends as it did in training.
 * @param joined the lines of such rows
 */
function warnOfJoined(joined: readonly number[], rows: number, { event, resume }: RunContext): void {
  if (!joined.length || resume) return
  const lines = joined.slice(0, 3).join(', ')
  event(
    'warning',
    `in ${joined.length} of ${rows} rows (line ${lines}${joined.length > 3 ? ' …' : ''}) the tokenizer makes one token of the prompt's end and the completion's beginning: end the prompt, or begin the completion, with a blank or a line end`,
    { joined: joined.length },
  )
}
