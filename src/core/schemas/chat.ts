/** Messages as other people's APIs have them. */
import * as v from 'valibot'
import { list, looseObject, object, text } from './fields.ts'

const part = looseObject({ type: v.optional(v.unknown()), text: v.optional(text('Text.')) })
export const chatMessage = object({
  role: v.string(),
  content: v.nullish(v.union([text('What was said.'), list(part, 0, 4096)])),
})
export type ChatMessage = v.InferOutput<typeof chatMessage>
export const chatMessages = list(chatMessage, 1, 256)
