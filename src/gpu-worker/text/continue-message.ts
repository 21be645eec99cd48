import { GavelError } from '../../core/errors.ts'
import type { ChatMessage, TextCodec } from './text-codec.ts'

type RenderOptions = NonNullable<Parameters<TextCodec['renderChat']>[1]>

/** Ends with a space, so that a template which trims contents shows itself. */
const MARK = '\u{F0000}end '

/**
 * A conversation whose last message is not over: the rendered text up to the end of its content, as transformers does for
 * `continue_final_message`. Throws `invalid_request` where the template does not show that message.
 */
export function renderOpen(codec: TextCodec, messages: readonly ChatMessage[], options: RenderOptions): string {
  const last = messages.at(-1)!
  const marked = [...messages.slice(0, -1), { ...last, content: last.content + MARK }]
  const text = codec.renderChat(marked, { ...options, addGenerationPrompt: false })
  const at = text.lastIndexOf(MARK.trimEnd())
  if (at < 0) {
    throw new GavelError(
      'invalid_request',
      "the model's chat template does not show the last message as it is, so it cannot be continued; leave continue_final_message out",
      { param: 'continue_final_message' },
    )
  }
  const open = text.slice(0, at)
  return text.startsWith(MARK, at) ? open : open.trimEnd()
}
