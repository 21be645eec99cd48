import { GavelError } from '../../core/errors.ts'
import { notANumber } from '../models/not-a-number.ts'
import type { ModelFolder } from '../models/source.ts'
import { slotsWithin } from '../rollout/kv-cache.ts'
import type { Device } from '../runtime/device.ts'
import { renderOpen } from '../text/continue-message.ts'
import { TokenBytes } from '../text/token-bytes.ts'
import { AnswerWriter, type AnswerModel, type LogprobsMode } from './answer-writer.ts'
import { BatchDecoder, type ChooseToken } from './batch-decoder.ts'
import type { GenerationPart, GenerationRequest, GenerationUsage } from './generation.ts'
import { GrammarGuides } from './grammar-guide.ts'
import { PromptReader } from './prompt-reader.ts'
import { TokenTexts } from './token-texts.ts'
import { WEIGHT_TYPES, type WeightType } from './weight-types.ts'

/** Most texts under way at once, where memory allows. */
const SLOTS = 16
/** Most bytes their keys and values may take; they are taken only as texts grow that long. */
const CACHE_BYTES = 4 * 2 ** 30
/** Longest text unless told otherwise, in tokens. */
const DEFAULT_CONTEXT = 8192

export interface ModelServiceOptions {
  threads?: number | undefined
  device?: Device | undefined
  /** Longest text, prompt included; by default the model's own context, at most 8192. */
  context?: number | undefined
  /** How the weights are kept and multiplied; by default in single precision. */
  weights?: WeightType | undefined
  /** By default the model's own. */
  logprobsMode?: LogprobsMode | undefined
}

/** Throws `corrupt_model` where the model makes no numbers of its first token. */
async function refuseNaN(decoder: BatchDecoder, describe: string): Promise<void> {
  const sound = await new Promise<boolean>((resolve) => {
    decoder.add([0], [(logits) => (resolve(!logits.some(Number.isNaN)), null)])
  })
  if (!sound) throw notANumber(describe)
}

/** A way to go on that ends when the signal is aborted, and whose end, or failure, can be waited for. */
function waitFor(signal: AbortSignal, next: ChooseToken): { choose: ChooseToken; done: Promise<void> } {
  const done = Promise.withResolvers<void>()
  const choose: ChooseToken = (logits) => {
    try {
      const id = signal.aborted ? null : next(logits)
      if (id === null) done.resolve()
      return id
    } catch (error) {
      done.reject(error)
      return null
    }
  }
  return { choose, done: done.promise }
}

/** One model that answers many callers at once. */
export class ModelService {
  readonly context: number
  /** Most ways to go on in one request. */
  readonly slots: number
  private readonly folder: Pick<ModelFolder, 'model' | 'codec'>
  private readonly decoder: BatchDecoder
  private readonly answers: AnswerModel
  private readonly guides: GrammarGuides

  private constructor(
    folder: Pick<ModelFolder, 'model' | 'codec'>,
    decoder: BatchDecoder,
    answers: AnswerModel,
    guides: GrammarGuides,
    limits: { context: number; slots: number },
  ) {
    this.folder = folder
    this.decoder = decoder
    this.answers = answers
    this.guides = guides
    this.context = limits.context
    this.slots = limits.slots
  }

  /** Throws `invalid_request` for a context longer than the model's, `unsupported_model` for a tokenizer without bytes. */
  static async create(
    folder: ModelFolder,
    { threads, device, context, weights: type = 'float32', logprobsMode = 'raw_logprobs' }: ModelServiceOptions,
  ): Promise<ModelService> {
    const { model, codec } = folder
    if (context !== undefined && context > model.contextLength) {
      throw new GavelError(
        'invalid_request',
        `context is ${context}, but the model was made for ${model.contextLength} tokens; give that or less`,
        { param: 'context' },
      )
    }
    const bytes = new TokenBytes(folder.tokenizer)
    const capacity = context ?? Math.min(model.contextLength, DEFAULT_CONTEXT)
    const slots = slotsWithin(model, capacity, SLOTS, CACHE_BYTES)
    const { weights, matrices } = WEIGHT_TYPES[type](model, folder.weights)
    const ids = codec.largestId + 1
    const decoder = await BatchDecoder.create(model, weights, { threads, device, slots, capacity, ids, matrices })
    await refuseNaN(decoder, folder.describe)
    const answers = { texts: new TokenTexts(bytes), endIds: new Set(codec.stopIds), logprobsMode }
    const guides = new GrammarGuides(bytes, Math.min(model.vocabularySize, ids))
    return new ModelService({ model, codec }, decoder, answers, guides, { context: capacity, slots })
  }

  /** Throws `prompt_too_long` and `invalid_request`. Ends early, with what there is, when the signal is aborted. */
  async generate(
    request: GenerationRequest,
    { emit, signal }: { emit: (part: GenerationPart) => void; signal: AbortSignal },
  ): Promise<GenerationUsage> {
    this.checkIds(request)
    const prompt = this.promptIds(request)
    const room = this.room(prompt, request)
    const usage = { promptTokens: prompt.length, completionTokens: 0 }
    const reader = new PromptReader(this.answers.texts, request, prompt)
    if (reader.read && prompt.length > this.decoder.mostRead) {
      const message = `log-probabilities of a prompt are given of up to ${this.decoder.mostRead} tokens by this model, which turns longer texts otherwise; the prompt has ${prompt.length}`
      throw new GavelError('prompt_too_long', message, { param: 'prompt' })
    }
    const ways = Array.from({ length: request.n }, (_, choice) => {
      const tell = (part: Omit<GenerationPart, 'choice'>) => emit({ choice, ...part })
      const guide = request.format && this.guides.of(request.format)
      const writer = new AnswerWriter(this.answers, { request, prompt, choice, room, guide, tell })
      let opened = false
      return waitFor(signal, (logits) => {
        if (!opened) this.open(reader, room, tell)
        opened = true
        if (room === 0) return null
        usage.completionTokens++
        return writer.next(logits)
      })
    })
    this.decoder.add(
      prompt,
      ways.map(({ choose }) => choose),
      reader.read,
    )
    await Promise.all(ways.map(({ done }) => done))
    return usage
  }

  /** The first part of an answer, which may be all of it. */
  private open(reader: PromptReader, room: number, tell: (part: Omit<GenerationPart, 'choice'>) => void): void {
    const opening = reader.opening()
    if (!opening && room > 0) return
    tell({ text: '', tokens: [], ...opening, finish: room > 0 ? null : 'length', stopReason: null })
  }

  /** Refuses ids that the model lacks, naming the field. */
  private checkIds({ sampling, stop, logprobs }: GenerationRequest): void {
    const V = this.folder.model.vocabularySize
    const named: [field: string, ids: readonly number[]][] = [
      ['logit_bias', sampling.logitBias.map(([id]) => id)],
      ['allowed_token_ids', sampling.allowedIds ?? []],
      ['stop_token_ids', stop.ids],
      ['logprob_token_ids', logprobs?.ids ?? []],
    ]
    for (const [param, ids] of named) {
      const unknown = ids.find((id) => id >= V)
      if (unknown === undefined) continue
      const message = `${param} has token id ${unknown}; the model knows 0 to ${V - 1}`
      throw new GavelError('invalid_request', message, { param })
    }
  }

  private promptIds(request: GenerationRequest): number[] {
    const ids = this.truncated(this.encoded(request), request)
    const { vocabularySize } = this.folder.model
    const unknown = ids.find((id) => !(id < vocabularySize))
    if (unknown !== undefined) {
      const message = `prompt has token id ${unknown}; the model knows 0 to ${vocabularySize - 1}`
      throw new GavelError('invalid_request', message, { param: 'prompt' })
    }
    if (ids.length > 0) return ids
    throw new GavelError('invalid_request', 'the prompt is empty; give the model some text to go on from', {
      param: 'prompt',
    })
  }

  private encoded({ input, addSpecialTokens }: GenerationRequest): number[] {
    const { codec } = this.folder
    if (Array.isArray(input)) return input
    if (typeof input === 'string') return addSpecialTokens ? codec.encodeText(input) : codec.encode(input)
    const { messages, addGenerationPrompt, continueFinalMessage, args } = input
    const date = new Date()
    const text = continueFinalMessage
      ? renderOpen(codec, messages, { args, date })
      : codec.renderChat(messages, { addGenerationPrompt, args, date })
    // A template writes what begins a text itself.
    return addSpecialTokens || !codec.hasChatTemplate ? codec.encodeText(text) : codec.encode(text)
  }

  private truncated(ids: number[], { truncate, maxTokens }: GenerationRequest): number[] {
    if (!truncate) return ids
    const kept = truncate.tokens < 0 ? Math.max(1, this.context - (maxTokens ?? 1)) : truncate.tokens
    return truncate.side === 'left' ? ids.slice(-kept) : ids.slice(0, kept)
  }

  /** Tokens there is room for after the prompt. */
  private room(prompt: readonly number[], { maxTokens, input }: GenerationRequest): number {
    const left = this.context - prompt.length
    if (left >= (maxTokens ?? 1)) return maxTokens ?? left
    const wish = maxTokens === null ? 'an answer needs room too' : `${maxTokens} new ones are wanted`
    throw new GavelError(
      'prompt_too_long',
      `the prompt has ${prompt.length} tokens and ${wish}, but the context is ${this.context} tokens; shorten it or lower max_tokens`,
      { param: typeof input === 'object' && 'messages' in input ? 'messages' : 'prompt' },
    )
  }
}
