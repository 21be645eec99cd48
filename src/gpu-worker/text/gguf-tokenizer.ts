import { GavelError } from '../../core/errors.ts'
import type { GgufValue } from '../weights/gguf.ts'
import { bpeModel } from './bpe-model.ts'
import { GPT2, PRE_TOKENIZERS } from './gguf-pre-tokenizers.ts'
import { PIECE, sentencePieceTokenizer } from './sentencepiece-tokenizer.ts'
import type { TokenizerFiles } from './text-codec.ts'

type Metadata = ReadonlyMap<string, GgufValue>

/** What a kind of tokenizer brings along: parts of its `tokenizer.json`, and whether BOS goes before a text by default. */
interface Kind {
  parts: object
  addsBos: boolean
}

/** Kinds by `tokenizer.ggml.model`. */
const KINDS: Readonly<Record<string, (metadata: Metadata, tokens: string[], types: number[], file: string) => Kind>> = {
  gpt2: byteLevel,
  llama: sentencePiece,
}

/**
 * `tokenizer.json`, `tokenizer_config.json` and `generation_config.json` out of a GGUF file's metadata.
 * Throws `unsupported_model` for a kind that is not known, `corrupt_model` where tokens, merges or scores are missing.
 */
export function ggufTokenizer(metadata: Metadata, file: string): TokenizerFiles {
  const model = String(metadata.get('tokenizer.ggml.model'))
  const kind = Object.hasOwn(KINDS, model) ? KINDS[model] : undefined
  if (!kind) throw unsupported(file, `is ${JSON.stringify(model)}; known are ${Object.keys(KINDS).join(', ')}`)
  const tokens = strings(metadata, 'tokenizer.ggml.tokens', file)
  const types = numbers(metadata, 'tokenizer.ggml.token_type', file) ?? []
  const { parts, addsBos: byDefault } = kind(metadata, tokens, types, file)
  const added = tokens.flatMap((content, id) => {
    const special = types[id] === PIECE.control || types[id] === PIECE.unknown
    if (!special && types[id] !== PIECE.userDefined) return []
    return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }
  })
  const idOf = (key: string) => metadata.get(`tokenizer.ggml.${key}_token_id`) ?? null
  const special = (key: string) => tokens[idOf(key) as number] ?? null
  const addsBos = metadata.get('tokenizer.ggml.add_bos_token') ?? byDefault
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    post_processor: addsBos ? beginningWith(special('bos'), idOf('bos') as number) : null,
    ...parts,
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

function byteLevel(metadata: Metadata, tokens: string[], _types: number[], file: string): Kind {
  const name = metadata.get('tokenizer.ggml.pre') ?? 'default'
  const pre = typeof name === 'string' && Object.hasOwn(PRE_TOKENIZERS, name) ? PRE_TOKENIZERS[name] : undefined
  if (!pre) {
    const known = Object.keys(PRE_TOKENIZERS).join(', ')
    throw unsupported(file, `has the pre-tokenizer ${JSON.stringify(name)}; known are ${known}`)
  }
  return {
    addsBos: pre.addsBos ?? false,
    parts: {
      normalizer: pre.normalizer ?? null,
      pre_tokenizer: pre.pre_tokenizer,
      decoder: GPT2,
      model: bpeModel({
        tokens,
        merges: strings(metadata, 'tokenizer.ggml.merges', file),
        ignoreMerges: pre.ignoreMerges ?? false,
      }),
    },
  }
}

function sentencePiece(metadata: Metadata, tokens: string[], types: number[], file: string): Kind {
  const key = 'tokenizer.ggml.scores'
  const scores = numbers(metadata, key, file)
  if (scores?.length !== tokens.length || types.length !== tokens.length)
    throw new GavelError('corrupt_model', `${file}: ${key} or the tokens' types are not as many as the tokens`, { param: key }) // prettier-ignore
  const addsSpace = (metadata.get('tokenizer.ggml.add_space_prefix') ?? true) === true
  return { addsBos: true, parts: sentencePieceTokenizer({ tokens, scores, types, addsSpace }) }
}

const unsupported = (file: string, what: string) =>
  new GavelError(
    'unsupported_model',
    `${file}: its tokenizer ${what}. Use the model's safetensors with its tokenizer.json.`,
  )

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

function strings(metadata: Metadata, key: string, file: string): string[] {
  const value = metadata.get(key)
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw new GavelError('corrupt_model', `${file}: ${key} is missing or not a list of texts`, { param: key })
}

function numbers(metadata: Metadata, key: string, file: string): number[] | null {
  const value = metadata.get(key)
  if (value === undefined) return null
  if (Array.isArray(value) && value.every((item) => typeof item === 'number')) return value
  throw new GavelError('corrupt_model', `${file}: ${key} is not a list of numbers`, { param: key })
}
