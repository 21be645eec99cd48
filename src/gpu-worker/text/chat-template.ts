import { Template } from '@huggingface/jinja'
import { GavelError } from '../../core/errors.ts'

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant'
  content: string
}

/** What a template may be told beside the messages, such as `enable_thinking`; a template ignores what it does not know. */
export type TemplateArguments = Record<string, unknown>

/** A chat template in Jinja, rendered as transformers renders it. One that does not parse refuses every conversation. */
export class ChatTemplate {
  readonly source: string
  private readonly special: Record<string, string>
  private parsed: Template | undefined

  /** @param special the tokenizer's special tokens by name */
  constructor(source: string, special: Record<string, string>) {
    this.source = source
    this.special = special
  }

  /** Throws `invalid_request` where the template does not parse, is not understood, or refuses the messages. */
  render(messages: readonly ChatMessage[], addGenerationPrompt: boolean, args: TemplateArguments = {}): string {
    try {
      this.parsed ??= new Template(this.source)
      return this.parsed.render({
        ...this.special,
        tools: null,
        documents: null,
        ...args,
        messages: messages.map((message) => ({ ...message })),
        add_generation_prompt: addGenerationPrompt,
      })
    } catch (cause) {
      const what = this.parsed ? 'refuses these messages' : 'cannot be read'
      throw new GavelError('invalid_request', `the model's chat template ${what}: ${(cause as Error).message}`, {
        cause,
      })
    }
  }
}
