import { completionOf, type DatasetRow } from '../schemas/dataset.ts'

/** What rows are for: to be imitated, or to be answered. */
export type RowUse = 'trained' | 'asked'

/** Why a row of the right form is of no use, as a sentence about it; null where it is. Only what needs no tokenizer is found. */
export function rowFault(row: DatasetRow, use: RowUse): string | null {
  const { prompt, messages, completion } = row
  const answered = messages?.at(-1)?.role === 'assistant'
  if (use === 'trained') {
    if (answered && completion != null)
      return 'its `messages` end with an answer, and there is a `completion` too; keep one of them'
    if (isBlank(completionOf(row) ?? '')) return 'its completion is empty; give it some text, or leave the row out'
  } else if (prompt !== undefined && isBlank(prompt)) return 'its prompt is blank; give it some text'
  const asked = answered ? messages.slice(0, -1) : messages
  if (asked?.every(({ content }) => isBlank(content)))
    return 'its `messages` ask nothing: but for the answer at their end they are empty; say in them what is asked'
  return null
}

const isBlank = (text: string): boolean => text.trim() === ''
