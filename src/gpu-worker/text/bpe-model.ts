export interface BpeParts {
  /** By id. */
  tokens: readonly string[]
  /** Pairs that are joined, the first ones first. */
  merges: readonly (string | readonly [string, string])[]
  /** What stands for text that no token spells. */
  unknown?: string | null
  /** Such text falls to tokens of one byte. */
  byteFallback?: boolean
  /** A piece that is a token is taken whole, however it is merged. */
  ignoreMerges?: boolean
}

/** The `model` of a `tokenizer.json` that merges pairs (BPE, arXiv 1508.07909). */
export const bpeModel = ({ tokens, merges, unknown = null, byteFallback = false, ignoreMerges = false }: BpeParts) => ({
  type: 'BPE',
  dropout: null,
  unk_token: unknown,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: byteFallback,
  byte_fallback: byteFallback,
  ignore_merges: ignoreMerges,
  vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
  merges,
})
