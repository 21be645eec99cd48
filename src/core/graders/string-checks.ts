import type { StringOperation } from '../schemas/grader.ts'

/** How a text may be compared with another, by the operation's name. */
export const STRING_CHECKS: Record<StringOperation, (text: string, reference: string) => boolean> = {
  eq: (text, reference) => text === reference,
  ne: (text, reference) => text !== reference,
  neq: (text, reference) => text !== reference,
  like: (text, reference) => text.includes(reference),
  ilike: (text, reference) => text.toLowerCase().includes(reference.toLowerCase()),
}
