import { GavelError } from '../../core/errors.ts'
import type { GgufValue } from '../weights/gguf.ts'
import type { StoredTensor } from '../weights/safetensors.ts'

/** Keys that would make another model of it, and what they may say all the same. */
const NEUTRAL: Readonly<Record<string, readonly GgufValue[]>> = {
  'attention.causal': [true],
  'attention.clamp_kqv': [0],
  'attention.max_alibi_bias': [0],
  expert_count: [0],
  expert_used_count: [0],
  nextn_predict_layers: [0],
  'rope.scaling.yarn_ext_factor': [1],
}

/** Keys that change nothing, or say again what the tensors do. */
const IRRELEVANT = ['rope.scaling.finetuned', 'tensor_data_layout', 'vocab_size']

/**
 * The metadata of a file, read by name; its architecture's own keys begin with the architecture's name. Remembers which
 * of them were read, so that none of them is passed over.
 */
export class GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>
  readonly tensors: ReadonlyMap<string, StoredTensor>
  readonly file: string
  private readonly read = new Set<string>()

  constructor(metadata: ReadonlyMap<string, GgufValue>, tensors: ReadonlyMap<string, StoredTensor>, file: string) {
    this.metadata = metadata
    this.tensors = tensors
    this.file = file
  }

  get architecture(): string {
    return String(this.metadata.get('general.architecture'))
  }

  own(key: string): GgufValue | undefined {
    this.read.add(key)
    return this.metadata.get(`${this.architecture}.${key}`)
  }

  /** Throws `corrupt_model` where the key is missing, or no number, and there is no other to take. */
  number(key: string, fallback?: number): number {
    const value = this.own(key) ?? fallback
    if (typeof value === 'number') return value
    const name = `${this.architecture}.${key}`
    throw new GavelError('corrupt_model', `${this.file}: the number ${name} is missing`, { param: name })
  }

  /** A number stored in single precision: the shortest decimal that means the same is what was written. */
  decimal(key: string, fallback?: number): number {
    const single = this.number(key, fallback)
    for (let digits = 1; digits < 9; digits++) {
      const candidate = Number(single.toPrecision(digits))
      if (Math.fround(candidate) === single) return candidate
    }
    return single
  }

  /** A number that may be missing, or 0 for none. */
  optional(key: string): number | null {
    return this.own(key) === undefined ? null : this.decimal(key) || null
  }

  has(tensor: string): boolean {
    return this.tensors.has(tensor)
  }

  get vocabularySize(): number {
    return this.tensors.get('token_embd.weight')?.shape[0] ?? this.number('vocab_size')
  }

  specialTokens() {
    const id = (name: string) => this.metadata.get(`tokenizer.ggml.${name}_token_id`) ?? null
    return { bos_token_id: id('bos'), eos_token_id: id('eos'), pad_token_id: id('padding') }
  }

  /** Throws `unsupported_model` naming a key that nobody has read: it may change what the model is. */
  checkAllRead(): void {
    const prefix = `${this.architecture}.`
    for (const [name, value] of this.metadata) {
      const key = name.startsWith(prefix) ? name.slice(prefix.length) : null
      if (key === null || this.read.has(key) || IRRELEVANT.includes(key)) continue
      if (NEUTRAL[key]?.includes(value)) continue
      throw this.unsupported(`${name} is ${shown(value)}, which the engine has no use for`)
    }
  }

  unsupported(what: string): GavelError {
    return new GavelError('unsupported_model', `${this.file}: ${what}; use the model's safetensors`)
  }
}

const shown = (value: GgufValue): string => (Array.isArray(value) ? 'a list' : JSON.stringify(value))
