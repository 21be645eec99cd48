import { Tokenizer } from '@huggingface/tokenizers'
import type { TokenizerFiles } from './read-tokenizer-files.ts'

interface AddedToken {
  id: number
  content: string
  [key: string]: unknown
}

/** More than any vocabulary has: tables are made that are as long as the largest id. */
const MOST_IDS = 2 ** 24

const MODEL_TYPES = ['BPE', 'Unigram', 'WordPiece', 'WordLevel']

/**
 * The library's tokenizer of some files. Tokens that only the config lists are added, and those it names special are
 * special, as transformers has it. Throws what the library would take as it is, and encode texts to ids that mean
 * something else.
 * @param special the special tokens by their names
 */
export function checkedTokenizer(
  { tokenizer, config }: TokenizerFiles,
  special: Readonly<Record<string, string>>,
): Tokenizer {
  const { model, added_tokens: listed } = tokenizer as { model?: { vocab?: unknown }; added_tokens?: AddedToken[] }
  checkModel(model)
  const added = Array.isArray(listed) ? [...listed] : []
  const known = new Set(added.map(({ content }) => content))
  const add = (token: AddedToken) => {
    if (known.has(token.content)) return
    known.add(token.content)
    added.push(token)
  }
  for (const [id, token] of Object.entries((config.added_tokens_decoder ?? {}) as Record<string, AddedToken>))
    if (typeof token?.content === 'string' && /^\d+$/.test(id)) add({ ...token, id: Number(id) })
  for (const { id, content } of added) checkId(content, id)
  const vocab = model!.vocab as Record<string, number>
  for (const content of Object.values(special)) {
    const id = Array.isArray(vocab) ? vocab.findIndex((entry) => entry[0] === content) : (vocab[content] ?? -1)
    if (id >= 0)
      add({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true })
  }
  return new Tokenizer(
    { ...tokenizer, ...llamaCut(tokenizer, config), added_tokens: added },
    { ...config, clean_up_tokenization_spaces: false },
  )
}

/**
 * Transformers 5 cuts texts of `LlamaTokenizer` (of Llama 2, Mistral and others) by settings of that class and not by those
 * of `tokenizer.json`: what begins with a blank gets no second one.
 */
function llamaCut(tokenizer: object, config: Record<string, unknown>): object {
  const { model, decoder } = tokenizer as { model: { type: string }; decoder?: { type?: string } }
  const isLlama = /^(Code)?LlamaTokenizer(Fast)?$/.test(String(config.tokenizer_class))
  if (!isLlama || model.type !== 'BPE' || decoder?.type === 'ByteLevel') return {}
  const scheme = config.add_prefix_space === false ? 'never' : config.legacy ? 'always' : 'first'
  return {
    normalizer: null,
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: scheme, split: false },
  }
}

function checkId(token: unknown, id: unknown): void {
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < MOST_IDS) return
  throw new Error(
    `the id of ${JSON.stringify(token)} is ${JSON.stringify(id)}; ids are whole numbers below ${MOST_IDS}`,
  )
}

function checkModel(model: unknown): void {
  const { type, vocab } = (model ?? {}) as { type?: unknown; vocab?: unknown }
  if (!MODEL_TYPES.includes(type as string))
    throw new Error(`its type is ${JSON.stringify(type)}; known are ${MODEL_TYPES.join(', ')}`)
  if (typeof vocab !== 'object' || vocab === null) throw new Error('it has no vocabulary')
  if (Array.isArray(vocab)) return
  const tokens = new Map<unknown, string>()
  for (const [token, id] of Object.entries(vocab)) {
    checkId(token, id)
    const other = tokens.get(id)
    if (other !== undefined) throw new Error(`${JSON.stringify(other)} and ${JSON.stringify(token)} have one id, ${id}`)
    tokens.set(id, token)
  }
}
