/** A dataset: JSONL rows, stored as given. A row with an `answer` is labelled. */
import * as v from 'valibot'
import {
  fields,
  gold,
  integer,
  list,
  looseObject,
  message,
  name,
  object,
  reference,
  sha256,
  shortText,
  text,
  unixSeconds,
  version,
} from './fields.ts'

/** Largest dataset, in bytes, where the operator says nothing else. */
export const MAX_DATASET_BYTES = 1_000_000_000
/** Most rows of a dataset, where the operator says nothing else. */
export const MAX_DATASET_ROWS = 1_000_000
/** Longest line of a dataset, in bytes. */
export const MAX_LINE_BYTES = 1024 * 1024

/** Other keys than these are kept and ignored: people's files carry columns of their own. */
export const datasetRow = v.pipe(
  looseObject({
    id: v.optional(v.union([shortText("The row's own id.", 256), v.pipe(v.number(), v.safeInteger())])),
    prompt: v.optional(v.pipe(text('The prompt.'), v.nonEmpty('is empty; give the text of the prompt'))),
    messages: v.optional(list(message, 1, 256)),
    answer: v.optional(v.nullable(gold('Gold: the answer known to be right. Its presence makes the row labelled.'))),
    completion: v.optional(
      v.nullable(text('What the model should write: the target of SFT. Or let `messages` end with it.')),
    ),
  }),
  v.check(
    (row) => (row.prompt === undefined) !== (row.messages === undefined),
    'must hold either `prompt` (a text) or `messages` (a conversation)',
  ),
)
export type DatasetRow = v.InferOutput<typeof datasetRow>

/** What a model should write: a row's completion, or the answer that its conversation ends with. */
export function completionOf({ completion, messages }: Pick<DatasetRow, 'completion' | 'messages'>): string | null {
  const last = messages?.at(-1)
  return completion ?? (last?.role === 'assistant' ? last.content : null)
}

export const dataset = object({
  id: v.string(),
  object: v.literal('dataset'),
  name: v.nullable(v.string()),
  version,
  created_at: unixSeconds,
  rows: v.number(),
  labelled: v.pipe(v.number(), v.description('Rows with an answer.')),
  completions: v.pipe(v.number(), v.description('Rows with a completion, or with messages that end with an answer.')),
  bytes: v.number(),
  sha256,
  base: v.pipe(v.nullable(v.string()), v.description('Id of the version that this one was appended to.')),
})
export type Dataset = v.InferOutput<typeof dataset>

/** What comes beside the rows in a request: in the query, or in a form. */
export const newDataset = fields({
  name: v.optional(name),
  append_to: v.optional(
    reference('A dataset, by id or name: its rows and these are its next version. It stays as it is.'),
  ),
})
export type NewDataset = v.InferOutput<typeof newDataset>

export const datasetUpload = object({
  id: v.string(),
  object: v.literal('dataset.upload'),
  name: v.nullable(v.string()),
  append_to: v.pipe(v.nullable(v.string()), v.description('Id of the dataset that the rows are appended to.')),
  created_at: unixSeconds,
  expires_at: v.pipe(unixSeconds, v.description('What is not complete by then is deleted.')),
  parts: v.pipe(
    v.array(object({ part: v.number(), rows: v.number(), bytes: v.number() })),
    v.description('Stored so far, in order.'),
  ),
  max_bytes: v.pipe(v.number(), v.description('Most bytes of a dataset here.')),
  max_rows: v.pipe(v.number(), v.description('Most rows of a dataset here.')),
  dataset: v.pipe(v.nullable(v.string()), v.description('Id of the dataset, once the upload is complete.')),
})
export type DatasetUpload = v.InferOutput<typeof datasetUpload>

export const partNumber = integer(1, 10_000, 'Number of the part, from 1. Parts come in order.')
export const uploadPart = fields({ part: partNumber })
export const completeUpload = fields({
  parts: integer(1, 10_000, 'How many parts there are to be: one that got lost is told.'),
})
export const partUrl = object({
  method: v.literal('PUT'),
  url: v.pipe(v.string(), v.description('Put the part here as it is, without credentials.')),
  expires_at: unixSeconds,
})
