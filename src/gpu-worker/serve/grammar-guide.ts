import { GavelError } from '../../core/errors.ts'
import type { TokenBytes } from '../text/token-bytes.ts'
import { ByteGrammar, type GrammarState } from './byte-grammar.ts'
import { formatGrammar, type AnswerFormat } from './json-grammar.ts'
import type { TokenRule } from './token-sampler.ts'
import { TokenTrie } from './token-trie.ts'

/** Grammars kept for the next request that has the same. */
const KEPT = 16

/** What answers in a form may go on with, for the tokens of one model. */
export class GrammarGuides {
  private readonly bytes: TokenBytes
  private readonly size: number
  private readonly grammars = new Map<string, ByteGrammar>()
  private trie: TokenTrie | undefined

  /** @param size of the vocabulary; ids beyond have no logits */
  constructor(bytes: TokenBytes, size: number) {
    this.bytes = bytes
    this.size = size
  }

  /** Throws `invalid_request` for a schema that is not known here, and where the tokenizer cannot spell every text. */
  of(format: AnswerFormat): GrammarGuide {
    const trie = (this.trie ??= this.makeTrie())
    if (!trie.isComplete) {
      const message = "this model's tokenizer has no tokens for some bytes, so its answers cannot be held to a form"
      throw new GavelError('invalid_request', message, { param: 'response_format' })
    }
    const key = JSON.stringify(format)
    const grammar = this.grammars.get(key) ?? new ByteGrammar(formatGrammar(format))
    // The one used last stands last.
    this.grammars.delete(key)
    this.grammars.set(key, grammar)
    if (this.grammars.size > KEPT) this.grammars.delete(this.grammars.keys().next().value!)
    return new GrammarGuide(grammar, trie)
  }

  private makeTrie(): TokenTrie {
    const ids = Array.from({ length: this.size }, (_, id) => id).filter((id) => !this.bytes.isSpecial(id))
    return new TokenTrie(
      this.size,
      ids.map((id) => [id, this.bytes.of(id)] as const),
    )
  }
}

/** Follows one answer through a grammar. */
export class GrammarGuide {
  private readonly trie: TokenTrie
  private place: GrammarState

  constructor(grammar: ByteGrammar, trie: TokenTrie) {
    this.trie = trie
    this.place = grammar.start
  }

  /** What may come next. */
  rule(): TokenRule {
    return { allowed: this.trie.allowed(this.place), mayEnd: this.place.isEnd }
  }

  /** The answer goes on with these bytes, which the rule allowed. @returns whether it is complete: nothing may follow */
  take(bytes: Uint8Array): boolean {
    for (const byte of bytes) this.place = this.place.next(byte) ?? this.place
    return this.place.isFinal
  }
}
