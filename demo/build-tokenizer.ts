/**
 * Trains the demo's tokenizer on its own problems and writes `demo/models/tokenizer.json` (the format of Hugging Face
 * `tokenizers`) and `tokenizer_config.json`. The same bytes every time: `node demo/build-tokenizer.ts`.
 *
 * Byte-level BPE (Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016) with
 * every digit a token of its own, so that arithmetic is done on digits.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Tokenizer } from '@huggingface/tokenizers'
import type { Rng } from '../src/core/ports.ts'
import { SeededRng } from '../src/core/rl/seeded-rng.ts'
import { pick } from './draw.ts'
import { drawProblem } from './problems.ts'
import { goldText } from './solutions.ts'

const SEED = 11
const CORPUS_SIZE = 20_000
const VOCABULARY_SIZE = 1024
const SPECIAL_TOKENS = ['<pad>', '<eos>']
const WHOLE_TOKENS = ['Yes', 'No', '####']

export type Pair = [string, string]

/** What the judge sees and says, for one training problem. */
function corpusText(rng: Rng): string {
  const problem = drawProblem(rng, false)
  return `${problem.question}\n${goldText(problem)}\nIs the answer correct?\n${pick(rng, ['Yes', 'No'])}`
}

/**
 * Byte-pair merges, most frequent pair first; of equally frequent pairs the one that sorts first. Ends early where no
 * pair is left.
 *
 * @param words how often each pre-token occurs, in byte-level characters
 */
export function learnMerges(words: ReadonlyMap<string, number>, count: number): Pair[] {
  const entries = [...words].map(([word, times]) => ({ parts: [...word], times }))
  const counts = new Map<string, number>()
  for (const { parts, times } of entries) countPairs(counts, parts, times)

  const merges: Pair[] = []
  while (merges.length < count) {
    const best = mostFrequent(counts)
    if (!best) break
    merges.push(best)
    for (const entry of entries) {
      const merged = applyMerge(entry.parts, best)
      if (merged.length === entry.parts.length) continue
      countPairs(counts, entry.parts, -entry.times)
      countPairs(counts, merged, entry.times)
      entry.parts = merged
    }
  }
  return merges
}

/** Adds a word's neighbouring parts to the counts, as `left right`: byte-level text has no spaces of its own. */
function countPairs(counts: Map<string, number>, parts: readonly string[], times: number): void {
  for (let i = 1; i < parts.length; i++) {
    const pair = `${parts[i - 1]} ${parts[i]}`
    counts.set(pair, (counts.get(pair) ?? 0) + times)
  }
}

function mostFrequent(counts: ReadonlyMap<string, number>): Pair | null {
  let best = ''
  let most = 0
  for (const [pair, times] of counts) {
    if (times > most || (times === most && pair < best)) [best, most] = [pair, times]
  }
  return most > 0 ? (best.split(' ') as Pair) : null
}

function applyMerge(parts: readonly string[], [left, right]: Pair): string[] {
  const merged: string[] = []
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!
    const joins = part === left && parts[i + 1] === right
    merged.push(joins ? left + right : part)
    if (joins) i++
  }
  return merged
}

/**
 * The 256 characters that stand for the bytes, sorted: printable Latin-1 stands for itself, the other bytes are
 * numbered on from U+0100 (the convention of GPT-2's byte-level tokenizer).
 */
export function byteAlphabet(): string[] {
  const codes = Array.from({ length: 256 }, (_, byte) => byte)
  const printable = codes.filter((code) => (code > 32 && code < 127) || (code > 160 && code !== 173))
  const rest = Array.from({ length: 256 - printable.length }, (_, i) => 256 + i)
  return [...printable, ...rest].map((code) => String.fromCharCode(code))
}

/** The contents of tokenizer.json: specials, then the bytes, then one entry a merge. */
export function tokenizerJson(merges: readonly Pair[]) {
  const entries = [...SPECIAL_TOKENS, ...byteAlphabet(), ...merges.map((pair) => pair.join(''))]
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL_TOKENS.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel] },
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(entries.map((entry, id) => [entry, id])),
      merges,
    },
  }
}

/** The contents of tokenizer_config.json. */
export function tokenizerConfig() {
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    clean_up_tokenization_spaces: false,
    pad_token: '<pad>',
    eos_token: '<eos>',
  }
}

/** Trains the whole tokenizer: the contents of tokenizer.json. */
export function trainTokenizer() {
  const splitter = new Tokenizer(tokenizerJson([]), tokenizerConfig()).pre_tokenizer
  if (!splitter) throw new Error('the tokenizer library did not build the pre-tokenizer that tokenizer.json describes')
  const rng = new SeededRng(SEED, 'tokenizer')
  const words = new Map<string, number>()
  for (let i = 0; i < CORPUS_SIZE; i++) {
    for (const word of splitter.pre_tokenize(corpusText(rng))) words.set(word, (words.get(word) ?? 0) + 1)
  }
  const merges = learnMerges(words, VOCABULARY_SIZE - SPECIAL_TOKENS.length - byteAlphabet().length)
  return tokenizerJson(merges)
}

function build(): void {
  const json = trainTokenizer()
  const entries = Object.keys(json.model.vocab)
  const missing = WHOLE_TOKENS.filter((token) => !entries.includes(token))
  if (entries.length !== VOCABULARY_SIZE || missing.length > 0) {
    const lack = missing.length > 0 ? `, none of them ${missing.join(' or ')}` : ''
    throw new Error(
      `the corpus gave ${entries.length} entries${lack}; the models need ${VOCABULARY_SIZE}, with ` +
        `${WHOLE_TOKENS.join(', ')} among them: make the corpus larger or more varied`,
    )
  }
  const folder = new URL('./models/', import.meta.url)
  mkdirSync(folder, { recursive: true })
  writeFileSync(new URL('tokenizer.json', folder), JSON.stringify(json, null, 1) + '\n')
  writeFileSync(new URL('tokenizer_config.json', folder), JSON.stringify(tokenizerConfig(), null, 2) + '\n')
  console.log(`${entries.length} entries written to ${fileURLToPath(folder)}`)
}

if (import.meta.main) build()
