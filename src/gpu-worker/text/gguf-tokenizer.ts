import { GavelError } from '../../core/errors.ts'
import type { GgufValue } from '../weights/gguf.ts'
import type { TokenizerFiles } from './text-codec.ts'

const BYTE_LEVEL = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true }

const isolated = (pattern: string) => ({
  type: 'Split',
  pattern: { Regex: pattern },
  behavior: 'Isolated',
  invert: false,
})

/** Cuts text by a pattern, then spells each piece in bytes. */
const splitBy = (pattern: string) => ({
  type: 'Sequence',
  pretokenizers: [isolated(pattern), { ...BYTE_LEVEL, use_regex: false }],
})

const GPT2 = { ...BYTE_LEVEL, use_regex: true }

interface PreTokenizer {
  pre_tokenizer: object
  normalizer?: object
  ignoreMerges?: boolean
  /** Whether BOS goes before a text where the header does not say so, as llama.cpp has it. */
  addsBos?: boolean
}

/**
 * How text is cut before merging, by `tokenizer.ggml.pre`: GGUF keeps only the name, so the settings are those of
 * the models' own tokenizer.json.
 */
const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizer>> = {
  default: { pre_tokenizer: GPT2 },
  'gpt-2': { pre_tokenizer: GPT2 },
  smollm: {
    // Every digit by itself. The library's own `Digits` knows only ASCII ones.
    pre_tokenizer: { type: 'Sequence', pretokenizers: [isolated('\\p{N}'), GPT2] },
  },
  'llama-bpe': {
    pre_tokenizer: splitBy(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ),
    ignoreMerges: true,
    addsBos: true,
  },
  qwen2: {
    pre_tokenizer: splitBy(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ),
    normalizer: { type: 'NFC' },
  },
}

/** `tokenizer.ggml.token_type` of control tokens and of those a user added. */
const CONTROL = 3
const USER_DEFINED = 4

/**
 * `tokenizer.json`, `tokenizer_config.json` and `generation_config.json` of a byte-level BPE tokenizer, out of a GGUF file's metadata.
 * Throws `unsupported_model` for another kind, `corrupt_model` where tokens or merges are missing.
 */
export function ggufTokenizer(metadata: ReadonlyMap<string, GgufValue>, file: string): TokenizerFiles {
  const kind = metadata.get('tokenizer.ggml.model')
  const name = metadata.get('tokenizer.ggml.pre') ?? 'default'
  const pre = typeof name === 'string' && Object.hasOwn(PRE_TOKENIZERS, name) ? PRE_TOKENIZERS[name] : undefined
  if (kind !== 'gpt2' || !pre) {
    throw new GavelError(
      'unsupported_model',
      `${file}: its tokenizer is ${JSON.stringify(kind)} with pre-tokenizer ${JSON.stringify(name)}; known is "gpt2" ` +
        `with ${Object.keys(PRE_TOKENIZERS).join(', ')}. Use the model's safetensors with its tokenizer.json.`,
    )
  }
  const tokens = strings(metadata, 'tokenizer.ggml.tokens', file)
  const types = (metadata.get('tokenizer.ggml.token_type') ?? []) as GgufValue[]
  const added = tokens.flatMap((content, id) => {
    if (types[id] !== CONTROL && types[id] !== USER_DEFINED) return []
    const special = types[id] === CONTROL
    return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }
  })
  const idOf = (key: string) => metadata.get(`tokenizer.ggml.${key}_token_id`) ?? null
  const special = (key: string) => tokens[idOf(key) as number] ?? null
  const addsBos = metadata.get('tokenizer.ggml.add_bos_token') ?? pre.addsBos ?? false
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: pre.normalizer ?? null,
    pre_tokenizer: pre.pre_tokenizer,
    post_processor: addsBos ? beginningWith(special('bos'), idOf('bos') as number) : null,
    decoder: GPT2,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: pre.ignoreMerges ?? false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: strings(metadata, 'tokenizer.ggml.merges', file),
    },
  }
  const ends = new Set(['eos', 'eot', 'eom'].map(idOf).filter((id) => id !== null))
  return {
    tokenizer,
    generation: {
      bos_token_id: idOf('bos'),
      pad_token_id: idOf('padding'),
      eos_token_id: ends.size ? [...ends] : null,
    },
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      clean_up_tokenization_spaces: false,
      model_max_length: metadata.get(`${String(metadata.get('general.architecture'))}.context_length`) ?? null,
      bos_token: special('bos'),
      eos_token: special('eos'),
      unk_token: special('unknown'),
      pad_token: special('padding'),
      chat_template: metadata.get('tokenizer.chat_template') ?? null,
    },
  }
}

/** A post-processor that puts a token before each text. */
function beginningWith(token: string | null, id: number): object | null {
  if (token === null) return null
  const begins = { SpecialToken: { id: token, type_id: 0 } }
  const text = (name: string, type_id: number) => ({ Sequence: { id: name, type_id } })
  return {
    type: 'TemplateProcessing',
    single: [begins, text('A', 0)],
    pair: [begins, text('A', 0), text('B', 1)],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  }
}

function strings(metadata: ReadonlyMap<string, GgufValue>, key: string, file: string): string[] {
  const value = metadata.get(key)
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw new GavelError('corrupt_model', `${file}: ${key} is missing or not a list of texts`, { param: key })
}
