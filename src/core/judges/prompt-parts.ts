/**
 * Prompts are made when they are needed, and then forgotten: once for their key, and again where they are asked. However
 * many a request makes, few are held at a time.
 */
import type { ChatMessage } from './template.ts'

export interface Prompt {
  key: string
  /** In UTF-16 units. */
  chars: number
  render(): ChatMessage[]
}

export const charsOf = (messages: readonly ChatMessage[]): number =>
  messages.reduce((sum, { content }) => sum + content.length, 0)

/** Of a large batch so many prompts are asked, and kept, before the next: what a process that is killed has paid for anew. */
const PART_PROMPTS = 256
/** And so many UTF-16 units of them, but for one that is longer by itself. */
const PART_CHARS = 4 * 1024 * 1024

export function* partsOf<P extends Pick<Prompt, 'chars'>>(prompts: readonly P[]): Generator<P[]> {
  let part: P[] = []
  let chars = 0
  for (const prompt of prompts) {
    if (part.length > 0 && (part.length === PART_PROMPTS || chars + prompt.chars > PART_CHARS)) {
      yield part
      part = []
      chars = 0
    }
    part.push(prompt)
    chars += prompt.chars
  }
  if (part.length > 0) yield part
}

/** Keys that are made side by side, as long as what they are made of is not too much. */
export class KeysAtOnce {
  #pending: Promise<unknown>[] = []
  #chars = 0

  /** Waits where there is much under way. */
  async add(key: Promise<unknown>, chars: number): Promise<void> {
    this.#pending.push(key)
    this.#chars += chars
    if (this.#chars > PART_CHARS) await this.done()
  }

  async done(): Promise<void> {
    await Promise.all(this.#pending)
    this.#pending = []
    this.#chars = 0
  }
}
