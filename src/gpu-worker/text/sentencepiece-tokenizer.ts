import { bpeModel } from './bpe-model.ts'

/** What a GGUF file keeps of a SentencePiece tokenizer: pieces with their scores and kinds, by id. */
export interface SentencePieces {
  tokens: readonly string[]
  scores: readonly number[]
  types: readonly number[]
  /** A space is put before each text. */
  addsSpace: boolean
}

/** Kinds of pieces, as SentencePiece numbers them. */
export const PIECE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

/** SentencePiece's sign for a space. */
const SPACE = '▁'

/**
 * The parts of a `tokenizer.json` that cut and join texts as SentencePiece's BPE does
 * (https://github.com/google/sentencepiece): of all neighbours that make a piece together, those whose piece has the
 * highest score are joined first. What no piece spells falls to pieces of one byte.
 */
export function sentencePieceTokenizer({ tokens, scores, types, addsSpace }: SentencePieces) {
  const unknown = tokens[types.indexOf(PIECE.unknown)] ?? null
  const replace = (from: string, to: string) => ({ type: 'Replace', pattern: { String: from }, content: to })
  return {
    normalizer: {
      type: 'Sequence',
      normalizers: [...(addsSpace ? [{ type: 'Prepend', prepend: SPACE }] : []), replace(' ', SPACE)],
    },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        replace(SPACE, ' '),
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(addsSpace ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: bpeModel({ tokens, merges: mergesOf(tokens, scores, types), unknown, byteFallback: true }),
  }
}

/** Every pair of pieces that makes a piece, the highest score of what it makes first; among equals, by the pair's ids. */
function mergesOf(tokens: readonly string[], scores: readonly number[], types: readonly number[]): [string, string][] {
  const ids = new Map(tokens.flatMap((token, id) => (types[id] === PIECE.normal ? [[token, id] as const] : [])))
  const merges: { pair: [string, string]; score: number; left: number; right: number }[] = []
  for (const [piece, id] of ids) {
    for (let at = 1; at < piece.length; at++) {
      const pair: [string, string] = [piece.slice(0, at), piece.slice(at)]
      const [left, right] = [ids.get(pair[0]), ids.get(pair[1])]
      if (left !== undefined && right !== undefined) merges.push({ pair, score: scores[id]!, left, right })
    }
  }
  merges.sort((a, b) => b.score - a.score || a.left - b.left || a.right - b.right)
  return merges.map(({ pair }) => pair)
}
