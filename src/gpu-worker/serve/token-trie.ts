import type { GrammarState } from './byte-grammar.ts'

/** Tokens by their bytes: which of them a grammar allows next. */
export class TokenTrie {
  private readonly size: number
  /** By place of the trie: its children by byte, and the tokens that end there. */
  private readonly children: Map<number, number>[] = [new Map()]
  private readonly ends: number[][] = [[]]
  private readonly masks = new WeakMap<GrammarState, Uint8Array>()

  /** @param tokens of ids 0 to `size` − 1; those without bytes are never allowed */
  constructor(size: number, tokens: Iterable<readonly [id: number, bytes: Uint8Array]>) {
    this.size = size
    for (const [id, bytes] of tokens) {
      if (bytes.length === 0) continue
      let place = 0
      for (const byte of bytes) {
        let next = this.children[place]!.get(byte)
        if (next === undefined) {
          next = this.children.push(new Map()) - 1
          this.ends.push([])
          this.children[place]!.set(byte, next)
        }
        place = next
      }
      this.ends[place]!.push(id)
    }
  }

  /** Whether every text can be spelled: each byte that UTF-8 has is a token by itself. */
  get isComplete(): boolean {
    const isSpelled = (byte: number) => {
      const place = this.children[0]!.get(byte)
      return place !== undefined && this.ends[place]!.length > 0
    }
    const used = Array.from({ length: 0xf5 }, (_, byte) => byte).filter(
      (byte) => byte >= 0x20 && byte !== 0x7f && byte !== 0xc0 && byte !== 0xc1,
    )
    return used.every(isSpelled)
  }

  /** By id, 1 for a token whose bytes may come next. */
  allowed(state: GrammarState): Uint8Array {
    const known = this.masks.get(state)
    if (known) return known
    const mask = new Uint8Array(this.size)
    const open: [place: number, state: GrammarState][] = [[0, state]]
    for (let top = open.pop(); top; top = open.pop()) {
      const [place, here] = top
      for (const id of this.ends[place]!) mask[id] = 1
      for (const [byte, child] of this.children[place]!) {
        const next = here.next(byte)
        if (next) open.push([child, next])
      }
    }
    this.masks.set(state, mask)
    return mask
  }
}
