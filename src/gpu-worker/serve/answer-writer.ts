import { GavelError } from '../../core/errors.ts'
import { SeededRng } from '../../core/rl/seeded-rng.ts'
import type { GenerationPart, GenerationRequest, TokenInfo } from './generation.ts'
import type { GrammarGuide } from './grammar-guide.ts'
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
  /** Holds the answer to a form. */
  guide: GrammarGuide | null
  tell: (part: Omit<GenerationPart, 'choice'>) => void
}

/** A token whose text is not known yet. */
interface Chosen {
  id: number
  logprobs: TokenLogprobs | null
}

interface Shown {
  /** The stop text that was met. */
  met: string | null
  /** Nothing may follow. */
  isComplete: boolean
}

function nothingLeft({ format }: GenerationRequest): GavelError {
  const why = format
    ? 'allowed_token_ids leave none that response_format allows'
    : 'allowed_token_ids and min_tokens leave none'
  return new GavelError('invalid_request', `no token is left to go on with: ${why}; allow more`)
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
    const { guide, room, request } = this.options
    const sample = this.sampler.choose(logits, guide?.rule())
    if (!sample) throw nothingLeft(request)
    const { id } = sample
    this.sampler.take(id)
    this.count++
    this.waiting.push({ id, logprobs: this.logprobsOf(id, logits, sample.scores) })
    const isEnd = this.model.endIds.has(id) && !request.stop.ignoreEos
    const isStopId = !isEnd && request.stop.ids.includes(id)
    const ends = isEnd || isStopId
    const { met, isComplete } = ends && !request.stop.includeStop ? this.showEnd() : this.show(id, ends)
    const finish = ends || isComplete || met !== null ? 'stop' : this.count === room ? 'length' : null
    if (finish !== null) this.take(this.stream.end())
    if (this.ready.text || finish) {
      this.options.tell({ ...this.ready, finish, stopReason: met ?? (isStopId ? id : null) })
      this.ready = { text: '', tokens: [] }
    }
    return finish === null ? id : null
  }

  /** The token that ends the answer has no text in it. */
  private showEnd(): Shown {
    this.take([...this.stream.end(), { text: '', bytes: new Uint8Array() }])
    return { met: null, isComplete: false }
  }

  private show(id: number, ends: boolean): Shown {
    const { skipSpecialTokens, sampling } = this.options.request
    const first = this.isBlank && this.count === 1
    const bytes = this.model.texts.added(id, { skipSpecialTokens, first })
    const isComplete = !ends && (this.options.guide?.take(bytes) ?? false)
    const { pieces, stop } = this.stream.push(bytes, { mayStop: !ends && this.count > sampling.minTokens })
    this.take(pieces)
    return { met: stop, isComplete }
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
