/** Messages as other people's APIs have them, as text. */
import { GavelError } from '../../core/errors.ts'
import { plainPrompt } from '../../core/judges/split-transcript.ts'
import { itemFromMessages, type JudgeItem } from '../../core/judges/template.ts'
import type { ChatMessage } from '../../core/schemas/chat.ts'

/**
 * A message's content: its text, or its parts' that are text.
 * @throws GavelError `unprocessable` for what a judge of text cannot see, without which the text may mean something else
 */
export function contentText(content: ChatMessage['content']): string {
  if (typeof content === 'string') return content
  return (content ?? []).map(({ type, text }) => text ?? withoutText(type)).join('')
}

/** What a part of a message is that is no text: an image, say. Undefined for parts that a judge loses nothing by. */
export const mediumOf = (type: unknown): string | undefined =>
  typeof type === 'string' ? /image|audio|video|file/.exec(type)?.[0] : undefined

function withoutText(type: unknown): '' {
  const medium = mediumOf(type)
  if (!medium) return ''
  const message = `A message has content of type ${JSON.stringify((type as string).slice(0, 40))}, and a judge of text cannot see any ${medium}; describe it in words.`
  throw new GavelError('unprocessable', message, { param: 'content' })
}

const plain = (messages: readonly ChatMessage[]) =>
  messages.map(({ role, content }) => ({ role, content: contentText(content) }))

/**
 * A conversation that ends with the assistant's answer.
 * @throws GavelError `unprocessable` when it does not
 */
export const conversationItem = (messages: readonly ChatMessage[]): JudgeItem => itemFromMessages(plain(messages))

/** A prompt and a completion, each text or messages. A text may have been through a chat template. */
export function promptItem(
  prompt: string | readonly ChatMessage[],
  completion: string | readonly ChatMessage[],
): JudgeItem {
  const answer =
    typeof completion === 'string'
      ? completion
      : plain(completion)
          .map(({ content }) => content)
          .join('\n')
  if (typeof prompt === 'string') return { question: plainPrompt(prompt), answer }
  return itemFromMessages([...plain(prompt), { role: 'assistant', content: answer }])
}
