/** A dataset: JSONL rows, stored as given. A row with an `answer` is labelled. */
import * as v from 'valibot'
import {
  fields,
  gold,
  looseObject,
  message,
  name,
  object,
  sha256,
  shortText,
  text,
  unixSeconds,
  version,
} from './fields.ts'

/** Largest dataset, in bytes: what a Cloudflare Worker (128 MB) can hold as sent, decoded and hashed. */
export const MAX_DATASET_BYTES = 32 * 1024 * 1024
/** Longest line of a dataset, in bytes. */
export const MAX_LINE_BYTES = 1024 * 1024
/** Most rows of a dataset. */
export const MAX_ROWS = 1_000_000

/** Other keys than these are kept and ignored: people's files carry columns of their own. */
export const datasetRow = v.pipe(
  looseObject({
    id: v.optional(v.union([shortText("The row's own id.", 256), v.pipe(v.number(), v.safeInteger())])),
    prompt: v.optional(v.pipe(text('The prompt.'), v.nonEmpty('is empty; give the text of the prompt'))),
    messages: v.optional(v.pipe(v.array(message), v.minLength(1), v.maxLength(256))),
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
})
export type Dataset = v.InferOutput<typeof dataset>

/** What comes beside the rows in a request: `?name=` or a multipart field. */
export const datasetName = fields({ name: v.optional(name) })
