import { GavelError } from '../errors.ts'
import type { SimilarityMetric } from '../schemas/grader.ts'

/** Longest text that is compared, in UTF-16 units: the longest common subsequence takes up to its square over 32 steps. */
export const MAX_SIMILARITY_CHARS = 20_000

type Similarity = (input: string, reference: string) => number

/**
 * In [0, 1]. Equal texts have 1, but for METEOR's penalty and, where there are fewer words than an n-gram wants, BLEU and
 * ROUGE-n. Words are split at white space for BLEU, GLEU and METEOR, as NLTK's users do; runs of letters and digits in
 * lower case for ROUGE, as `rouge_score` has them (of every script, where that knows ASCII).
 */
const METRICS: Record<SimilarityMetric, Similarity> = {
  /** rapidfuzz's `fuzz.ratio`: twice the longest common subsequence over both lengths, in characters. */
  fuzzy_match: (input, reference) => overlapOf([...input], [...reference]),
  bleu: (input, reference) => bleu(words(input), words(reference)),
  gleu: (input, reference) => gleu(words(input), words(reference)),
  meteor: (input, reference) => meteor(words(input.toLowerCase()), words(reference.toLowerCase())),
  rouge_1: rouge(1),
  rouge_2: rouge(2),
  rouge_3: rouge(3),
  rouge_4: rouge(4),
  rouge_5: rouge(5),
  rouge_l: (input, reference) => {
    const [a, b] = [letterRuns(input), letterRuns(reference)]
    return a.length && b.length ? overlapOf(a, b) : 0
  },
  cosine: () => {
    const message =
      'The metric cosine compares embeddings, and there is no embedding model here. Use another metric, such as fuzzy_match or rouge_l.'
    throw new GavelError('unavailable_here', message, { param: 'grader.evaluation_metric' })
  },
}

/**
 * How alike two texts are by a metric, in [0, 1].
 * @throws GavelError `too_large` for texts beyond {@link MAX_SIMILARITY_CHARS}, `unavailable_here` for cosine
 */
export function textSimilarity(metric: SimilarityMetric, input: string, reference: string): number {
  const longest = Math.max(input.length, reference.length)
  if (longest > MAX_SIMILARITY_CHARS) {
    const message = `A text of ${longest} characters is too long to compare; the most is ${MAX_SIMILARITY_CHARS}. Shorten it, or use string_check.`
    throw new GavelError('too_large', message, { param: 'model_sample' })
  }
  return METRICS[metric](input, reference)
}

const words = (text: string) => text.split(/\s+/).filter(Boolean)
const letterRuns = (text: string) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []

/** Counts of runs of n words. */
function ngrams(tokens: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>()
  for (let i = 0; i + n <= tokens.length; i++) {
    const gram = tokens.slice(i, i + n).join('\n')
    counts.set(gram, (counts.get(gram) ?? 0) + 1)
  }
  return counts
}

/** How many of one's n-grams the other has too, each as often as both have it. */
function shared(a: Map<string, number>, b: Map<string, number>): number {
  let sum = 0
  for (const [gram, count] of a) sum += Math.min(count, b.get(gram) ?? 0)
  return sum
}

/** Sentence BLEU-4 with NLTK's smoothing method 1 (0.1 in place of no match); Papineni et al. 2002, Chen and Cherry 2014. */
function bleu(input: string[], reference: string[]): number {
  let logSum = 0
  for (let n = 1; n <= 4; n++) {
    const matches = shared(ngrams(input, n), ngrams(reference, n))
    if (n === 1 && matches === 0) return 0
    logSum += Math.log((matches || 0.1) / Math.max(1, input.length - n + 1)) / 4
  }
  const brevity = input.length > reference.length ? 0 : 1 - reference.length / input.length
  return Math.min(1, Math.exp(brevity + logSum))
}

/** Google's BLEU: shared n-grams (1 to 4) over those of the text that has more; Wu et al. 2016, as NLTK has it. */
function gleu(input: string[], reference: string[]): number {
  let [matches, ofInput, ofReference] = [0, 0, 0]
  for (let n = 1; n <= 4; n++) {
    matches += shared(ngrams(input, n), ngrams(reference, n))
    ofInput += Math.max(0, input.length - n + 1)
    ofReference += Math.max(0, reference.length - n + 1)
  }
  return matches === 0 ? 0 : matches / Math.max(ofInput, ofReference)
}

/**
 * METEOR of equal words (no stems, no synonyms: those need word lists), α 0.9, β 3, γ 0.5; Lavie and Agarwal 2007.
 * Words are matched from the end, as NLTK does.
 */
function meteor(input: string[], reference: string[]): number {
  const places = new Map<string, number[]>()
  for (const [i, word] of reference.entries()) {
    const before = places.get(word)
    if (before) before.push(i)
    else places.set(word, [i])
  }
  const matches: [number, number][] = []
  for (let i = input.length - 1; i >= 0; i--) {
    const j = places.get(input[i]!)?.pop()
    if (j !== undefined) matches.push([i, j])
  }
  matches.reverse()
  if (matches.length === 0) return 0
  const chunks = matches.filter(([i, j], k) => {
    const before = matches[k - 1]
    return !before || before[0] !== i - 1 || before[1] !== j - 1
  })
  const precision = matches.length / input.length
  const recall = matches.length / reference.length
  const mean = (precision * recall) / (0.9 * precision + 0.1 * recall)
  return mean * (1 - 0.5 * (chunks.length / matches.length) ** 3)
}

/** ROUGE-n as F1; Lin 2004. */
function rouge(n: number): Similarity {
  return (input, reference) => {
    const [a, b] = [letterRuns(input), letterRuns(reference)]
    const [grams, referenceGrams] = [ngrams(a, n), ngrams(b, n)]
    const matches = shared(grams, referenceGrams)
    return matches === 0 ? 0 : (2 * matches) / (a.length - n + 1 + (b.length - n + 1))
  }
}

/** Twice the length of the longest common subsequence over both lengths: F1 of it, and 1 for two empty texts. */
function overlapOf(a: readonly string[], b: readonly string[]): number {
  return a.length + b.length === 0 ? 1 : (2 * commonSubsequence(a, b)) / (a.length + b.length)
}

/** Where a symbol stands: the words of 32 positions in which it does, and its bits in each. */
interface Mask {
  words: number[]
  bits: number[]
}

/**
 * Length of the longest common subsequence, 32 positions at a time (Hyyrö 2004): a zero bit is a match. Words without the
 * symbol are passed over: they change only by a carry, which ends at their first zero.
 */
function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  const masks = masksOf(a)
  const size = Math.ceil(a.length / 32)
  const open = new Uint32Array(size).fill(0xffffffff)
  for (const symbol of b) {
    const mask = masks.get(symbol)
    if (!mask) continue
    const { words, bits } = mask
    let carry = 0
    let next = 0
    for (let i = 0; i < words.length; i++) {
      const k = words[i]!
      if (carry && next < k) carry = carried(open, next, k)
      const word = open[k]!
      const hit = (word & bits[i]!) >>> 0
      const sum = word + hit + carry
      carry = sum > 0xffffffff ? 1 : 0
      open[k] = (sum | (word & ~hit)) >>> 0
      next = k + 1
    }
    if (carry) carried(open, next, size)
  }
  let length = 0
  for (let i = 0; i < a.length; i++) if (!(open[i >>> 5]! & (1 << (i & 31)))) length++
  return length
}

function masksOf(symbols: readonly string[]): Map<string, Mask> {
  const masks = new Map<string, Mask>()
  symbols.forEach((symbol, i) => {
    const [word, bit] = [i >>> 5, (1 << (i & 31)) >>> 0]
    const mask = masks.get(symbol)
    if (!mask) masks.set(symbol, { words: [word], bits: [bit] })
    else if (mask.words.at(-1) === word) mask.bits[mask.bits.length - 1]! += bit
    else {
      mask.words.push(word)
      mask.bits.push(bit)
    }
  })
  return masks
}

/** Adds a carry to the words from one to before another. @returns whether it goes on beyond, 1 or 0 */
function carried(open: Uint32Array, from: number, to: number): number {
  for (let k = from; k < to; k++) {
    const word = open[k]!
    if (word === 0xffffffff) continue
    open[k] = (word | (word + 1)) >>> 0
    return 0
  }
  return 1
}
