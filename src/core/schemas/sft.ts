/** `sft`: supervised fine-tuning on the completions of a dataset. */
import * as v from 'valibot'
import { fields, integer, name, number, reference } from './fields.ts'
import { modelReference } from './model.ts'
import { learningRate, onLongRows, steps, textEntries, trainingEntries } from './training.ts'

const earlyStop = fields({
  patience: integer(1, 10_000, 'How many looks in a row may find the loss no better before training stops, ≥ 1.'),
  min_delta: v.optional(number(0, 1000, 'By how much a loss has to be smaller to be better, in nats. Default 0.'), 0),
})
export type EarlyStop = v.InferOutput<typeof earlyStop>

const HOW_LONG = 'give `steps`, or `epochs` (passes over the rows)'

export const sftSpec = fields(
  {
    type: v.literal('sft'),
    name: v.optional(name),
    model: modelReference,
    dataset: reference('Dataset whose rows carry `completion`, by id or name.'),
    validation: v.optional(
      v.pipe(
        v.union([
          number(0.0001, 0.9, 'Share of the rows of the dataset that are held out, chosen by the seed.'),
          reference('A dataset of its own, by id or name, whose rows carry `completion`.'),
        ]),
        v.description(
          'Rows that are not trained on: the loss on them is the metric `validation_loss`. A share of the dataset, or another dataset. Default none.',
        ),
      ),
    ),
    ...textEntries,
    config: v.pipe(
      fields({
        ...trainingEntries,
        learning_rate: learningRate(2e-5),
        steps: v.optional(steps),
        epochs: v.optional(
          number(
            0.0001,
            10_000,
            'Passes over the rows, in place of `steps`; a fraction will do. Steps are epochs · rows / batch_size, rounded up.',
          ),
        ),
        batch_size: v.optional(integer(1, 65_536, 'Rows of one step, ≥ 1. Default 16.'), 16),
        max_tokens: v.optional(
          integer(
            8,
            1_000_000,
            "Longest row (prompt and completion) in tokens. Default 1024, or the model's context where that is less.",
          ),
        ),
        on_long_rows: onLongRows('their first tokens are kept, and rows whose prompt alone is too long are left out'),
        validation_every: v.optional(
          integer(
            1,
            1_000_000,
            'Steps between looks at validation_loss, ≥ 1; there is one before the first step and one at the end as well. Default 10.',
          ),
          10,
        ),
        early_stop: v.optional(
          v.pipe(
            earlyStop,
            v.description(
              'Stops when validation_loss gets no better, and keeps a checkpoint of every step at which it was the smallest so far. Needs `validation`. Default never.',
            ),
          ),
        ),
      }),
      v.forward(
        v.check(
          ({ steps, epochs }) => steps !== undefined || epochs !== undefined,
          `is missing: say how long to train; ${HOW_LONG}`,
        ),
        ['steps'],
      ),
      v.forward(
        v.check(
          ({ steps, epochs }) => steps === undefined || epochs === undefined,
          'takes the place of `steps`; leave one of them out',
        ),
        ['epochs'],
      ),
    ),
  },
  { config: `is missing: say how long to train; ${HOW_LONG}` },
)
export type SftSpec = v.InferOutput<typeof sftSpec>
