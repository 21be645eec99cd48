import { GavelError } from '../../core/errors.ts'
import { SeededRng } from '../../core/rl/seeded-rng.ts'
import type { ChatMessage } from '../text/text-codec.ts'
import { notANumber } from '../models/not-a-number.ts'
import type { ModelFolder } from '../models/source.ts'
import { slotsWithin } from '../rollout/kv-cache.ts'
import type { Device } from '../runtime/device.ts'
import { BatchDecoder, type ChooseToken } from './batch-decoder.ts'
import { sampleToken, tokenLogprobs } from './sample-token.ts'
import { TextStream } from './text-stream.ts'
import { WEIGHT_TYPES, type WeightType } from './weight-types.ts'

/** What can be asked of a model, whatever the dialect. */
export interface GenerationRequest {
  /** One text to go on from, as text, as token ids or as a conversation. */
  input: string | number[] | { messages: ChatMessage[] }
  /** Ways to go on, each drawn for itself. */
  n: number
  /** Tokens of one way at most; null is up to the end of the context. */
  maxTokens: number | null
  temperature: number
  topP: number
  stop: string[]
  seed: number | string
  /** How many alternatives to tell of each token; null tells no log-probabilities at all. */
  topLogprobs: number | null
}

export interface TokenInfo {
  token: string
  logprob: number
  top: { token: string; logprob: number }[]
}

/** News of one way to go on. */
export interface GenerationPart {
  choice: number
  text: string
  /** The tokens since the last part, where log-probabilities were asked for. */
  tokens: TokenInfo[]
  finish: 'stop' | 'length' | null
}

export interface GenerationUsage {
  promptTokens: number
  completionTokens: number
}

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
}

/** Throws `corrupt_model` where the model makes no numbers of its first token. */
async function refuseNaN(decoder: BatchDecoder, describe: string): Promise<void> {
  const sound = await new Promise<boolean>((resolve) => {
    decoder.add([0], [(logits) => (resolve(!logits.some(Number.isNaN)), null)])
  })
  if (!sound) throw notANumber(describe)
}

/** One model that answers many callers at once. */
export class ModelService {
  readonly context: number
  /** Most ways to go on in one request. */
  readonly slots: number
  private readonly folder: Pick<ModelFolder, 'model' | 'codec'>
  private readonly decoder: BatchDecoder
  private readonly stopIds: ReadonlySet<number>

  private constructor(
    folder: Pick<ModelFolder, 'model' | 'codec'>,
    decoder: BatchDecoder,
    context: number,
    slots: number,
  ) {
    this.folder = folder
    this.decoder = decoder
    this.stopIds = new Set(folder.codec.stopIds)
    this.context = context
    this.slots = slots
  }

  /** Throws `invalid_request` for a context longer than the model's. */
  static async create(
    folder: ModelFolder,
    { threads, device, context, weights: type = 'float32' }: ModelServiceOptions,
  ): Promise<ModelService> {
    const { model, codec } = folder
    if (context !== undefined && context > model.contextLength) {
      throw new GavelError(
        'invalid_request',
        `context is ${context}, but the model was made for ${model.contextLength} tokens; give that or less`,
        { param: 'context' },
      )
    }
    const capacity = context ?? Math.min(model.contextLength, DEFAULT_CONTEXT)
    const slots = slotsWithin(model, capacity, SLOTS, CACHE_BYTES)
    const { weights, matrices } = WEIGHT_TYPES[type](model, folder.weights)
    const ids = codec.largestId + 1
    const decoder = await BatchDecoder.create(model, weights, { threads, device, slots, capacity, ids, matrices })
    await refuseNaN(decoder, folder.describe)
    return new ModelService({ model, codec }, decoder, capacity, slots)
  }

  /** Throws `prompt_too_long` and `invalid_request`. Ends early, with what there is, when the signal is aborted. */
  async generate(
    request: GenerationRequest,
    { emit, signal }: { emit: (part: GenerationPart) => void; signal: AbortSignal },
  ): Promise<GenerationUsage> {
    const prompt = this.promptIds(request.input)
    const room = this.room(prompt, request)
    const usage = { promptTokens: prompt.length, completionTokens: 0 }
    const ways = Array.from({ length: request.n }, (_, choice) => {
      const done = Promise.withResolvers<void>()
      const tell = (part: Omit<GenerationPart, 'choice'>) => emit({ choice, ...part })
      const choose = this.chooser(request, choice, room, prompt, tell)
      const next: ChooseToken = (logits) => {
        if (signal.aborted) return (done.resolve(), null)
        usage.completionTokens++
        const id = choose(logits)
        if (id === null) done.resolve()
        return id
      }
      return { next, done: done.promise }
    })
    this.decoder.add(
      prompt,
      ways.map(({ next }) => next),
    )
    await Promise.all(ways.map(({ done }) => done))
    return usage
  }

  /** One way to go on: draws, tells what there is to show, and knows when to end. */
  private chooser(
    { temperature, topP, stop, seed, topLogprobs }: GenerationRequest,
    choice: number,
    room: number,
    prompt: readonly number[],
    tell: (part: Omit<GenerationPart, 'choice'>) => void,
  ): ChooseToken {
    const { codec } = this.folder
    const rng = new SeededRng(seed, 'choice', choice)
    const stream = new TextStream((ids) => codec.decode(ids), stop, codec.contextOf(prompt))
    const tokens: TokenInfo[] = []
    let count = 0
    return (logits) => {
      const id = sampleToken(logits, { temperature, topP, rng })
      if (topLogprobs !== null) tokens.push(this.tokenInfo(logits, id, topLogprobs))
      count++
      const ended = this.stopIds.has(id)
      const { text, stopped } = ended ? { text: '', stopped: false } : stream.push(id)
      const finish = ended || stopped ? 'stop' : count === room ? 'length' : null
      const rest = finish !== null && !stopped ? stream.end() : ''
      if (text || rest || finish) tell({ text: text + rest, tokens: tokens.splice(0), finish })
      return finish ? null : id
    }
  }

  private tokenInfo(logits: Float32Array, id: number, count: number): TokenInfo {
    const { codec } = this.folder
    const { logprob, top } = tokenLogprobs(logits, id, count)
    return {
      token: codec.tokenText(id),
      logprob,
      top: top.map((other) => ({ token: codec.tokenText(other.id), logprob: other.logprob })),
    }
  }

  private promptIds(input: GenerationRequest['input']): number[] {
    const { codec, model } = this.folder
    const ids = Array.isArray(input)
      ? input
      : typeof input === 'string'
        ? codec.encodeText(input)
        : codec.encodeChat(input.messages, { date: new Date() })
    const unknown = ids.find((id) => !(id < model.vocabularySize))
    if (unknown !== undefined) {
      throw new GavelError(
        'invalid_request',
        `prompt has token id ${unknown}; the model knows 0 to ${model.vocabularySize - 1}`,
        {
          param: 'prompt',
        },
      )
    }
    if (ids.length > 0) return ids
    throw new GavelError('invalid_request', 'the prompt is empty; give the model some text to go on from', {
      param: 'prompt',
    })
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
