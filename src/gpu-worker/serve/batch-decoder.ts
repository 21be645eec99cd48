import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Model } from '../models/model.ts'
import { type Weights } from '../models/weights.ts'
import { decodeGraph } from '../rollout/decode-graph.ts'
import { KvCache } from '../rollout/kv-cache.ts'
import type { Matrices } from '../rollout/quantise-weights.ts'
import { becameLong, decodeRows, prefillRows, promptRows, type RowInputs } from '../rollout/row-inputs.ts'
import { Session, type SessionOptions } from '../runtime/session.ts'
import { float32, type RuntimeTensor } from '../runtime/tensors.ts'
import { weightTensors } from '../training/weight-tensors.ts'

/**
 * Told the logits [V] of a text's next token; answers the token it goes on with, or null when it is finished. It must
 * not throw.
 */
export type ChooseToken = (logits: Float32Array) => number | null

/** Told the logits [V] by which the model expects the prompt's token at `place` (1 and on), in order. It must not throw. */
export type ReadPrompt = (logits: Float32Array, place: number) => void

export interface BatchDecoderOptions extends SessionOptions {
  /** Texts under way at once. */
  slots: number
  /** Longest text, prompt included, in tokens. */
  capacity: number
  /** Weights that are kept in 8 bits, and not among the others: see quantise-weights.ts. */
  matrices?: Matrices | undefined
  /** Ids from here on are never chosen: the tokenizer has none. */
  ids: number
  /** Most logits of a prompt's tokens that are read in one run; bounds its memory. By default 2²⁴, which are 64 MB. */
  promptLogits?: number
}

/** Prompt tokens of one prefill run, padding included; bounds its memory. */
const PREFILL_TOKENS = 2048

interface Waiting {
  prompt: readonly number[]
  completions: readonly ChooseToken[]
  readPrompt: ReadPrompt | null
}

interface Active {
  choose: ChooseToken
  prompt: readonly number[]
  answer: number[]
  length: number
  last: number
}

const begun = (choose: ChooseToken, prompt: readonly number[]): Active => ({
  choose,
  prompt,
  answer: [],
  length: prompt.length,
  last: 0,
})

/**
 * Decodes texts of many callers together: a new text joins the batch at the next token, a finished one leaves it.
 * Between two tokens the event loop gets its turn.
 */
export class BatchDecoder {
  private readonly session: Session
  private readonly inputs: Record<string, RuntimeTensor>
  private readonly cache: KvCache
  private readonly vocabularySize: number
  private readonly slots: number
  private readonly longTexts: number | undefined
  /** Tokens of a prompt that are read in one run. */
  private readonly stretch: number
  private readonly logits: Float32Array
  private readonly waiting: Waiting[] = []
  private readonly active: Active[] = []
  private running = false

  private constructor(model: Model, weights: Weights, session: Session, options: BatchDecoderOptions) {
    this.session = session
    this.slots = options.slots
    this.longTexts = model.longTexts
    this.stretch = Math.max(1, Math.floor((options.promptLogits ?? 2 ** 24) / model.vocabularySize))
    this.vocabularySize = model.vocabularySize
    this.cache = new KvCache(model, options.slots, options.capacity)
    this.logits = new Float32Array(options.slots * model.vocabularySize)
    const bias = new Float32Array(model.vocabularySize).fill(-Infinity, options.ids)
    this.inputs = { ...weightTensors(weights), bias: float32(bias, [model.vocabularySize]) }
  }

  static async create(model: Model, weights: Weights, options: BatchDecoderOptions): Promise<BatchDecoder> {
    const graph = decodeGraph(model, { capacity: options.capacity, matrices: options.matrices, sample: false })
    const session = await Session.create(graph, { ...options, fixed: weightTensors(weights) })
    return new BatchDecoder(model, weights, session, options)
  }

  /** How long a prompt may be that is read: where long texts are rotated otherwise, they are read in one run, or not at all. */
  get mostRead(): number {
    return this.longTexts === undefined ? Infinity : Math.max(this.longTexts, this.stretch)
  }

  /** Goes on from a prompt in some ways, at most `slots`; the prompt is computed once, and read first. */
  add(prompt: readonly number[], completions: readonly ChooseToken[], readPrompt: ReadPrompt | null = null): void {
    this.waiting.push({ prompt, completions, readPrompt })
    if (!this.running) void this.run()
  }

  private async run(): Promise<void> {
    this.running = true
    while (this.waiting.length || this.active.length) {
      // Callers may have gone in the meantime, and new ones come.
      await nextTurn()
      const prompts = this.takePrompts()
      const anew = becameLong(this.active, this.longTexts)
      const [alone] = prompts
      if (alone?.readPrompt) await this.readAndStart(alone, alone.readPrompt)
      else if (prompts.length) await this.start(prompts)
      else if (anew >= 0) await this.beginAnew(anew)
      else await this.goOn()
    }
    this.running = false
  }

  /** Prompts to be computed together; one that is read, by itself. */
  private takePrompts(): Waiting[] {
    const taken: Waiting[] = []
    let [free, width] = [this.slots - this.active.length, 0]
    for (const next of this.waiting) {
      width = Math.max(width, next.prompt.length)
      free -= Math.max(1, next.completions.length)
      if (free < 0 || (taken.length > 0 && (next.readPrompt || width * (taken.length + 1) > PREFILL_TOKENS))) break
      taken.push(next)
      if (next.readPrompt) break
    }
    this.waiting.splice(0, taken.length)
    return taken
  }

  private async start(prompts: readonly Waiting[]): Promise<void> {
    const first = this.active.length
    const started = prompts.flatMap(({ prompt, completions }, row) =>
      completions.map((choose) => ({ row, text: begun(choose, prompt) })),
    )
    await this.forward(prefillRows(prompts), this.spaceFor(started.length), [first, first + prompts.length])
    // Each completion's slot gets its prompt's cache, the last first, so that none is overwritten too early.
    for (let i = started.length - 1; i >= 0; i--) {
      const { row, text } = started[i]!
      this.cache.copy(first + row, first + i, text.length)
    }
    this.active.push(...started.map(({ text }) => text))
    this.choose(first)
  }

  /** As {@link start}, a stretch of the prompt at a time, with the logits of every place. */
  private async readAndStart({ prompt, completions }: Waiting, readPrompt: ReadPrompt): Promise<void> {
    const [V, slot, stretch] = [this.vocabularySize, this.active.length, this.stretch]
    const space = new Float32Array(Math.min(stretch, prompt.length) * V)
    for (let from = 0; from < prompt.length; from += stretch) {
      const ids = prompt.slice(from, from + stretch)
      const logits = space.subarray(0, ids.length * V)
      await this.forward(promptRows(ids, from), logits, [slot, slot + 1])
      for (let i = 0; i < ids.length; i++) {
        const next = logits.subarray(i * V, (i + 1) * V)
        if (from + i + 1 < prompt.length) readPrompt(next, from + i + 1)
        else completions.forEach((_, k) => this.logits.set(next, k * V))
      }
      await nextTurn()
    }
    for (let i = completions.length - 1; i > 0; i--) this.cache.copy(slot, slot + i, prompt.length)
    this.active.push(...completions.map((choose) => begun(choose, prompt)))
    this.choose(slot)
  }

  private async goOn(): Promise<void> {
    await this.forward(decodeRows(this.active), this.spaceFor(this.active.length), [0, this.active.length])
    this.choose(0)
  }

  /** Computes a text again: what the cache holds of it was rotated otherwise. */
  private async beginAnew(slot: number): Promise<void> {
    const { prompt, answer, choose } = this.active[slot]!
    const rows = prefillRows([{ prompt: [...prompt, ...answer], completions: [choose] }])
    await this.forward(rows, this.spaceFor(1), [slot, slot + 1])
    this.choose(slot, slot + 1)
  }

  private spaceFor(texts: number): Float32Array {
    return this.logits.subarray(0, texts * this.vocabularySize)
  }

  /** @param space where the logits of the rows' places go, [places, V] */
  private async forward(rows: RowInputs, space: Float32Array, slots: readonly [number, number]): Promise<void> {
    const V = this.vocabularySize
    const cache = this.cache.tensors(...slots)
    const logits = float32(space, [space.length / V, V])
    await this.session.run({ ...this.inputs, ...rows, ...cache }, { logits, ...cache })
  }

  /** Lets the texts of some slots choose their next tokens; the last text moves into a finished one's slot. */
  private choose(first: number, end = this.active.length): void {
    const V = this.vocabularySize
    const chosen = this.active
      .slice(first, end)
      .map(({ choose }, i) => choose(this.logits.subarray(i * V, (i + 1) * V)))
    for (let slot = end - 1; slot >= first; slot--) {
      const id = chosen[slot - first]!
      const text = this.active[slot]!
      if (id !== null) {
        text.last = id
        text.answer.push(id)
        text.length += 1
        continue
      }
      const moved = this.active.pop()!
      if (slot === this.active.length) continue
      this.cache.copy(this.active.length, slot, moved.length - 1)
      this.active[slot] = moved
    }
  }

  async release(): Promise<void> {
    await this.session.release()
  }
}
