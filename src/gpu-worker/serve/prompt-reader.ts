import type { GenerationPart, GenerationRequest, PromptInfo, TokenInfo } from './generation.ts'
import type { ReadPrompt } from './batch-decoder.ts'
import { tokenLogprobs, type TokenLogprobs } from './token-logprobs.ts'
import type { TokenTexts } from './token-texts.ts'

/** What answers begin with and tell of their prompt: its text, ids and log-probabilities, as a request wants them. */
export class PromptReader {
  /** Told every place of the prompt; null where nobody wants to know. */
  readonly read: ReadPrompt | null
  private readonly texts: TokenTexts
  private readonly request: GenerationRequest
  private readonly prompt: readonly number[]
  /** By place; the first has none. */
  private readonly logprobs: (TokenLogprobs | null)[] = [null]

  constructor(texts: TokenTexts, request: GenerationRequest, prompt: readonly number[]) {
    this.texts = texts
    this.request = request
    this.prompt = prompt
    const { echo, logprobs, promptLogprobs } = request
    const top = Math.max(promptLogprobs ?? 0, (echo && logprobs?.top) || 0)
    const wanted = promptLogprobs !== null || (echo && logprobs !== null)
    this.read = wanted
      ? (scores, place) => (this.logprobs[place] = tokenLogprobs(scores, prompt[place]!, { top }))
      : null
  }

  /** The first part of every answer, once the prompt is read; null where there is nothing to say. */
  opening(): Pick<GenerationPart, 'text' | 'tokens' | 'prompt'> | null {
    const { echo, tokens, promptLogprobs } = this.request
    if (!echo && !tokens && promptLogprobs === null) return null
    const told = {
      ids: [...this.prompt],
      logprobs: promptLogprobs === null ? null : this.promptLogprobs(promptLogprobs),
    }
    return { ...(echo ? this.echoed() : { text: '', tokens: [] }), prompt: told }
  }

  private echoed(): { text: string; tokens: TokenInfo[] } {
    const { input, truncate, logprobs, tokens } = this.request
    const pieces = this.texts.prompt(this.prompt, typeof input === 'string' && !truncate ? input : null)
    const text = pieces.map((piece) => piece.text).join('')
    if (!tokens) return { text, tokens: [] }
    const told = pieces.map((piece, i) => {
      const known = this.logprobs[i] ?? null
      const kept = known && { ...known, top: known.top.slice(0, logprobs?.top ?? 0) }
      return this.texts.told(piece, this.prompt[i]!, kept)
    })
    return { text, tokens: told }
  }

  private promptLogprobs(count: number): PromptInfo['logprobs'] {
    return this.logprobs.map((known) => {
      if (!known) return null
      // The token itself first, as vLLM has it; ranks of the likeliest are their places.
      const top = known.top.slice(0, count).map((other, i) => ({ ...this.texts.named(other), rank: i + 1 }))
      return [{ ...this.texts.named(known), rank: known.rank }, ...top.filter(({ id }) => id !== known.id)]
    })
  }
}
