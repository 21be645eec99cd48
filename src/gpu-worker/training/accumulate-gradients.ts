import { microBatches, trainedTokens, type Row } from './batch.ts'
import type { Trainer } from './trainer.ts'

/** A row with what its loss needs. */
export interface TrainingRow extends Row {
  /** Weight in the loss of each of its trained tokens; one number stands for all. */
  weight: ArrayLike<number> | number
  /** Numbers a trained token, by name; one number stands for all of the row's. */
  perToken?: Record<string, ArrayLike<number> | number>
}

export interface AccumulateOptions {
  /** Padded tokens of one micro-batch. */
  microBatchTokens: number
  settings?: Record<string, number>
  temperature?: number
}

/**
 * Adds up the gradient of Σ weight·loss over all rows, micro-batch by micro-batch, rows of like length
 * together; neighbours with the same prompt share it. Answers the loss and, row by row, each trained token's log-probability (and value, where the model has a
 * value head). `broken`: indices of the rows that a loss which is no number came from, as closely as can be told.
 */
export async function accumulateGradients(
  trainer: Trainer,
  rows: readonly TrainingRow[],
  { microBatchTokens, settings = {}, temperature = 1 }: AccumulateOptions,
): Promise<{ loss: number; logprobs: Float32Array[]; values: Float32Array[]; broken: number[] }> {
  const logprobs: Float32Array[] = rows.map(() => new Float32Array())
  const values: Float32Array[] = rows.map(() => new Float32Array())
  const broken: number[] = []
  let loss = 0
  for (const { rows: part, batch } of microBatches(rows, microBatchTokens, trainer.model)) {
    const members = part.map((i) => rows[i]!)
    const result = await trainer.accumulate(batch, {
      weights: perTrainedToken(members, (row) => row.weight),
      perToken: Object.fromEntries(
        Object.keys(members[0]!.perToken ?? {}).map((name) => [
          name,
          perTrainedToken(members, (row) => row.perToken![name]!),
        ]),
      ),
      settings,
      temperature,
    })
    loss += result.loss
    let from = 0
    for (const i of part) {
      const count = trainedTokens(rows[i]!)
      logprobs[i] = result.logprobs.slice(from, from + count)
      values[i] = result.values.slice(from, from + count)
      from += count
    }
    if (!Number.isFinite(result.loss)) {
      const guilty = part.filter((i) => ![...logprobs[i]!, ...values[i]!].every(Number.isFinite))
      broken.push(...(guilty.length ? guilty : part))
    }
  }
  return { loss, logprobs, values, broken: broken.sort((a, b) => a - b) }
}

function perTrainedToken(rows: readonly TrainingRow[], valueOf: (row: TrainingRow) => ArrayLike<number> | number) {
  return Float32Array.from(
    rows.flatMap((row) => {
      const value = valueOf(row)
      return typeof value === 'number' ? Array<number>(trainedTokens(row)).fill(value) : Array.from(value)
    }),
  )
}
