/** Messages as other people's APIs have them. */
import * as v from 'valibot'
import { looseObject, object, text } from './fields.ts'

const part = looseObject({ type: v.optional(v.unknown()), text: v.optional(text('Text.')) })
export const chatMessage = object({
  role: v.string(),
  content: v.nullish(v.union([text('What was said.'), v.array(part)])),
})
export type ChatMessage = v.InferOutput<typeof chatMessage>
export const chatMessages = v.pipe(v.array(chatMessage), v.minLength(1), v.maxLength(256))
