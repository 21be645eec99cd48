import { GavelError } from '../../core/errors.ts'
import { SeededRng } from '../../core/rl/seeded-rng.ts'
import type { Model } from '../models/model.ts'
import { type Weights } from '../models/weights.ts'
import { Session, type SessionOptions } from '../runtime/session.ts'
import { float32, float32Scalar, int64Buffer, type RuntimeTensor } from '../runtime/tensors.ts'
import { weightTensors } from '../training/weight-tensors.ts'
import { decodeGraph } from './decode-graph.ts'
import { KvCache } from './kv-cache.ts'
import type { Matrices } from './quantise-weights.ts'
import { becameLong, decodeRows, prefillRows, type RowInputs } from './row-inputs.ts'

export interface GenerateRequest {
  prompt: readonly number[]
  /** Completions wanted of this prompt; they share its prefill. */
  samples: number
  /** Longest completion of this prompt in tokens, where it is not that of all. */
  maxNewTokens?: number
}

export interface GenerateOptions {
  /** 0 is greedy. */
  temperature: number
  maxNewTokens: number
  /** Ids after which a text is finished; the id itself is kept. */
  stopIds: readonly number[]
  /** Ids that are never drawn. */
  bannedIds?: readonly number[]
  /** Draws depend on the seed, the completion's place in the answer and the token's place in it. */
  seed: number | string
  /** Told of each completion when it is done, by its place in the answer. */
  onDone?: (completion: Completion, place: number) => void
}

export interface Completion {
  ids: number[]
  /** Log-probability of each id at the sampling temperature (at 1 when greedy). */
  logprobs: number[]
  /** `stop`: a stop id was drawn; `length`: the limit came first. */
  finish: 'stop' | 'length'
}

export interface GeneratorOptions extends SessionOptions {
  /** Completions under way at once. */
  slots: number
  /** Longest text, prompt included, in tokens. */
  capacity: number
  /** Weights that are kept in 8 bits, and not among the others: see quantise-weights.ts. */
  matrices?: Matrices | undefined
}

/** Prompt tokens of one prefill run, padding included; bounds its memory. */
const PREFILL_TOKENS = 4096
/** New prompts are let in once this share of the slots is free: prefilling one at a time would cost more. */
const REFILL_SHARE = 0.25

interface Waiting {
  prompt: readonly number[]
  /** Places, in the answer, of the completions still to be started. */
  completions: number[]
  maxNewTokens: number
}

/** A text in a slot. Its last token has been drawn but is not in the cache yet. */
interface Active {
  prompt: readonly number[]
  completion: number
  length: number
  /** How long it may become, in tokens. */
  maxLength: number
  last: number
}

/**
 * Samples completions over a key/value cache. Finished texts leave the batch and waiting ones take their
 * place; a prompt's completions share its prefill. Weights are read at each run, so they may be trained in
 * between.
 */
export class Generator {
  private readonly session: Session
  private readonly options: Pick<GeneratorOptions, 'slots' | 'capacity'>
  private readonly vocabularySize: number
  private readonly longTexts: number | undefined
  private readonly cache: KvCache
  private readonly weights: Record<string, RuntimeTensor>

  private constructor(model: Model, weights: Weights, session: Session, options: GeneratorOptions) {
    this.vocabularySize = model.vocabularySize
    this.longTexts = model.longTexts
    this.session = session
    // Not the matrices: the session has its own copy.
    this.options = { slots: options.slots, capacity: options.capacity }
    this.weights = weightTensors(weights)
    this.cache = new KvCache(model, options.slots, options.capacity)
  }

  static async create(model: Model, weights: Weights, options: GeneratorOptions): Promise<Generator> {
    const graph = decodeGraph(model, { capacity: options.capacity, matrices: options.matrices, sample: true })
    return new Generator(model, weights, await Session.create(graph, options), options)
  }

  /**
   * Completions of every request, those of one request together, in order.
   * Throws `prompt_too_long` where a prompt leaves no room for `maxNewTokens`.
   */
  async generate(requests: readonly GenerateRequest[], options: GenerateOptions): Promise<Completion[]> {
    this.checkLengths(requests, options)
    const completions: Completion[] = []
    const waiting: Waiting[] = requests.map(({ prompt, samples, maxNewTokens = options.maxNewTokens }) => {
      const first = completions.length
      for (let i = 0; i < samples; i++) completions.push({ ids: [], logprobs: [], finish: 'length' })
      return { prompt, completions: Array.from({ length: samples }, (_, i) => first + i), maxNewTokens }
    })
    // Longest first, so that prompts prefilled together are of like length.
    waiting.sort((a, b) => b.prompt.length - a.prompt.length || a.completions[0]! - b.completions[0]!)
    const draws = completions.map((_, i) => new SeededRng(options.seed, 'completion', i))
    const sampling = this.samplingInputs(options)
    const active: Active[] = []

    const draw = async (rows: RowInputs, drawn: readonly Active[], slots: readonly [number, number]) => {
      const count = drawn.length
      const uniform = Float32Array.from(drawn, ({ completion }) => draws[completion]!.uniform())
      const next = new BigInt64Array(count)
      const logprob = new Float32Array(count)
      const cache = this.cache.tensors(...slots)
      await this.session.run(
        { ...this.weights, ...sampling, ...rows, ...cache, uniform: float32(uniform, [count, 1]) },
        { next: int64Buffer(next, [count, 1]), logprob: float32(logprob, [count, 1]), ...cache },
      )
      drawn.forEach((text, i) => {
        text.last = Number(next[i])
        text.length += 1
        completions[text.completion]!.ids.push(text.last)
        completions[text.completion]!.logprobs.push(logprob[i]!)
      })
    }

    while (waiting.length || active.length) {
      const free = this.options.slots - active.length
      const anew = becameLong(active, this.longTexts)
      if (waiting.length && (active.length === 0 || free >= this.options.slots * REFILL_SHARE)) {
        const first = active.length
        const prompts = takePrompts(waiting, free)
        const started = prompts.flatMap(({ prompt, completions, maxNewTokens }) =>
          completions.map((completion) => ({
            prompt,
            completion,
            length: prompt.length,
            maxLength: prompt.length + maxNewTokens,
            last: 0,
          })),
        )
        await draw(prefillRows(prompts), started, [first, first + prompts.length])
        this.spreadPrompts(prompts, first)
        active.push(...started)
      } else if (anew >= 0) {
        const text = active[anew]!
        const whole = { prompt: [...text.prompt, ...completions[text.completion]!.ids], completions: [text] }
        await draw(prefillRows([whole]), [text], [anew, anew + 1])
      } else {
        await draw(decodeRows(active), active, [0, active.length])
      }
      this.retire(active, completions, options)
    }
    return completions
  }

  /** Copies each prompt's cache from the row it was prefilled in to the slots of its completions, last first. */
  private spreadPrompts(prompts: readonly Waiting[], first: number): void {
    const sources = prompts.flatMap(({ prompt, completions }, row) => completions.map(() => ({ row, prompt })))
    for (let i = sources.length - 1; i >= 0; i--) {
      const { row, prompt } = sources[i]!
      this.cache.copy(first + row, first + i, prompt.length)
    }
  }

  /** Takes finished texts out; the last text moves into each gap, so that slots in use stay together. */
  private retire(active: Active[], completions: readonly Completion[], { stopIds, onDone }: GenerateOptions): void {
    for (let slot = active.length - 1; slot >= 0; slot--) {
      const text = active[slot]!
      const completion = completions[text.completion]!
      const stopped = stopIds.includes(text.last)
      if (!stopped && text.length < text.maxLength) continue
      completion.finish = stopped ? 'stop' : 'length'
      onDone?.(completion, text.completion)
      const moved = active.pop()!
      if (slot === active.length) continue
      this.cache.copy(active.length, slot, moved.length - 1)
      active[slot] = moved
    }
  }

  private samplingInputs({ temperature, bannedIds = [] }: GenerateOptions): Record<string, RuntimeTensor> {
    const bias = new Float32Array(this.vocabularySize)
    for (const id of bannedIds) bias[id] = -Infinity
    return {
      bias: float32(bias, [this.vocabularySize]),
      inverse_temperature: float32Scalar(temperature === 0 ? 0 : 1 / temperature),
    }
  }

  private checkLengths(requests: readonly GenerateRequest[], options: GenerateOptions): void {
    requests.forEach(({ prompt, maxNewTokens = options.maxNewTokens }, i) => {
      if (prompt.length === 0) throw new GavelError('invalid_request', `prompt ${i} has no tokens; give it some text`)
      if (prompt.length + maxNewTokens <= this.options.capacity) return
      throw new GavelError(
        'prompt_too_long',
        `prompt ${i} has ${prompt.length} tokens, which with ${maxNewTokens} new ones is more than the ${this.options.capacity} there is room for; shorten it or lower max_new_tokens`,
      )
    })
  }

  async release(): Promise<void> {
    await this.session.release()
  }
}

/** The largest runs of a generator: prompts that are prefilled together, and a token of every text. */
export function prefillSizes(slots: number, promptTokens: number): Record<'B' | 'S' | 'R', number>[] {
  const S = Math.max(1, promptTokens)
  const B = Math.min(slots, Math.max(1, Math.floor(PREFILL_TOKENS / S)))
  return [
    { B, S, R: slots },
    { B: slots, S: 1, R: slots },
  ]
}

/** Takes as many waiting prompts as the free slots and the prefill's size allow; a group may be split. */
function takePrompts(waiting: Waiting[], free: number): Waiting[] {
  const taken: Waiting[] = []
  const width = waiting[0]!.prompt.length
  let room = free
  while (waiting.length && room > 0 && (taken.length === 0 || width * (taken.length + 1) <= PREFILL_TOKENS)) {
    const next = waiting[0]!
    const completions = next.completions.splice(0, room)
    taken.push({ ...next, completions })
    room -= completions.length
    if (next.completions.length === 0) waiting.shift()
  }
  return taken
}
