const BYTE_LEVEL = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true }

/** The pre-tokenizer, and decoder, of GPT-2: its own pattern, then every piece spelt in bytes. */
export const GPT2 = { ...BYTE_LEVEL, use_regex: true }

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

export interface PreTokenizer {
  pre_tokenizer: object
  normalizer?: object
  ignoreMerges?: boolean
  /** Whether BOS goes before a text where the header does not say so, as llama.cpp has it. */
  addsBos?: boolean
}

/** Words with what stands before them, numbers of up to so many digits, signs, lines, spaces. */
const words = (digits: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`

/** Words are cut where small letters are followed by capitals. */
const cased = (digits: string, endings: string) => {
  const [large, small] = ['[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]', '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]']
  const before = '[^\\r\\n\\p{L}\\p{N}]?'
  return `${before}${large}*${small}+${endings}|${before}${large}+${small}*${endings}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`
}

const LLAMA3: PreTokenizer = { pre_tokenizer: splitBy(words('\\p{N}{1,3}')), ignoreMerges: true, addsBos: true }
const QWEN2: PreTokenizer = { pre_tokenizer: splitBy(words('\\p{N}')), normalizer: { type: 'NFC' } }
/** Every digit by itself. The library's own `Digits` knows only ASCII ones. */
const DIGITS: PreTokenizer = {
  pre_tokenizer: { type: 'Sequence', pretokenizers: [isolated('\\p{N}'), GPT2] },
}

/**
 * How text is cut before merging, by `tokenizer.ggml.pre`: GGUF keeps only the name, so the settings are those of
 * the models' own tokenizer.json.
 */
export const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizer>> = {
  default: { pre_tokenizer: GPT2 },
  'gpt-2': { pre_tokenizer: GPT2 },
  smollm: DIGITS,
  // StarCoder's and Granite's.
  starcoder: DIGITS,
  refact: DIGITS,
  'llama-bpe': LLAMA3,
  llama3: LLAMA3,
  'llama-v3': LLAMA3,
  qwen2: QWEN2,
  'deepseek-r1-qwen': QWEN2,
  // Phi-4-mini's.
  'gpt-4o': { pre_tokenizer: splitBy(cased('\\p{N}{1,3}', "(?i:'s|'t|'re|'ve|'m|'ll|'d)?")) },
  // Mistral Nemo's.
  tekken: { pre_tokenizer: splitBy(cased('\\p{N}', '')), ignoreMerges: true, addsBos: true },
}
