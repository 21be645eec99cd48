import { GavelError } from '../../core/errors.ts'
import { SeededRng } from '../../core/rl/seeded-rng.ts'
import type { GenerationPart, GenerationRequest, TokenInfo } from './generation.ts'
import { TextStream, type TextPiece } from './text-stream.ts'
import { tokenLogprobs, type Scores, type TokenLogprobs } from './token-logprobs.ts'
import { TokenSampler } from './token-sampler.ts'
import type { TokenTexts } from './token-texts.ts'

/** Which log-probabilities are told: the model's own, or those of the distribution that is drawn from. */
export const LOGPROBS_MODES = ['raw_logprobs', 'processed_logprobs'] as const
export type LogprobsMode = (typeof LOGPROBS_MODES)[number]

/** What a model has that every answer needs. */
export interface AnswerModel {
  texts: TokenTexts
  /** Tokens that end texts. */
  endIds: ReadonlySet<number>
  logprobsMode: LogprobsMode
}

export interface AnswerWriterOptions {
  request: GenerationRequest
  prompt: readonly number[]
  /** Place among the ways to go on. */
  choice: number
  /** Tokens there may be. */
  room: number
  tell: (part: Omit<GenerationPart, 'choice'>) => void
}

/** A token whose text is not known yet. */
interface Chosen {
  id: number
  logprobs: TokenLogprobs | null
}

/** One way to go on: draws, tells what there is to show, and knows when to end. */
export class AnswerWriter {
  private readonly model: AnswerModel
  private readonly options: AnswerWriterOptions
  private readonly sampler: TokenSampler
  private readonly stream: TextStream
  private readonly isBlank: boolean
  private readonly waiting: Chosen[] = []
  private ready: { text: string; tokens: TokenInfo[] } = { text: '', tokens: [] }
  private count = 0

  constructor(model: AnswerModel, options: AnswerWriterOptions) {
    const { request, prompt, choice } = options
    this.model = model
    this.options = options
    const endIds = [...new Set([...model.endIds, ...request.stop.ids])]
    const rng = new SeededRng(request.seed, 'choice', choice)
    this.sampler = new TokenSampler(request.sampling, prompt, endIds, rng)
    this.stream = new TextStream({ stops: request.stop.texts, includeStop: request.stop.includeStop })
    this.isBlank = model.texts.isBlank(prompt)
  }

  /** The next token by its logits, or null when it is the last. Throws `invalid_request` where no token is possible. */
  next(logits: Float32Array): number | null {
    const { stop, sampling } = this.options.request
    const sample = this.sampler.choose(logits)
    if (!sample) {
      throw new GavelError(
        'invalid_request',
        'no token is left to go on with: allowed_token_ids and min_tokens leave none; allow more',
      )
    }
    const { id } = sample
    this.sampler.take(id)
    this.count++
    this.waiting.push({ id, logprobs: this.logprobsOf(id, logits, sample.scores) })
    const isEnd = this.model.endIds.has(id) && !stop.ignoreEos
    const isStopId = !isEnd && stop.ids.includes(id)
    const met = this.show(id, { ends: isEnd || isStopId, mayStop: this.count > sampling.minTokens })
    const finish = isEnd || isStopId || met !== null ? 'stop' : this.count === this.options.room ? 'length' : null
    if (finish !== null) this.take(this.stream.end())
    const { ready } = this
    if (ready.text || finish) {
      this.options.tell({ ...ready, finish, stopReason: met ?? (isStopId ? id : null) })
      this.ready = { text: '', tokens: [] }
    }
    return finish === null ? id : null
  }

  /** @returns the stop text that was met */
  private show(id: number, { ends, mayStop }: { ends: boolean; mayStop: boolean }): string | null {
    const { skipSpecialTokens, stop } = this.options.request
    if (ends && !stop.includeStop) {
      this.take([...this.stream.end(), { text: '', bytes: new Uint8Array() }])
      return null
    }
    const first = this.isBlank && this.count === 1
    const bytes = this.model.texts.added(id, { skipSpecialTokens, first })
    const { pieces, stop: met } = this.stream.push(bytes, { mayStop: mayStop && !ends })
    this.take(pieces)
    return met
  }

  private take(pieces: readonly TextPiece[]): void {
    for (const { text, bytes } of pieces) {
      const { id, logprobs } = this.waiting.shift()!
      this.ready.text += text
      if (!this.options.request.tokens) continue
      this.ready.tokens.push(this.model.texts.told({ text, bytes }, id, logprobs))
    }
  }

  private logprobsOf(id: number, logits: Float32Array, scores: () => Scores): TokenLogprobs | null {
    const { logprobs } = this.options.request
    if (!logprobs) return null
    return tokenLogprobs(this.model.logprobsMode === 'raw_logprobs' ? logits : scores(), id, logprobs)
  }
}
