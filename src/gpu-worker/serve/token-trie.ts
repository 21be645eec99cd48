import type { GrammarState } from './byte-grammar.ts'

/** Masks kept: a byte a token each. */
const KEPT = 256

/** A place of the trie while it is built: its children by byte, and the tokens that end there. */
interface Growing {
  children: Map<number, Growing>
  ends: number[]
}

/** Tokens by their bytes: which of them a grammar allows next. */
export class TokenTrie {
  private readonly size: number
  /** Those made last. */
  private readonly masks = new Map<GrammarState, Uint8Array>()
  // Places are numbered, the root is 0. Flat lists: this is walked whole for every new place of an answer.
  /** Where in `edgeByte` and `edgePlace` a place's children begin. */
  private readonly edges: Int32Array
  private readonly edgeByte: Uint8Array
  private readonly edgePlace: Int32Array
  /** Where in `tokens` those that end at a place begin. */
  private readonly ends: Int32Array
  private readonly tokens: Int32Array

  /** @param tokens of ids 0 to `size` − 1; those without bytes are never allowed */
  constructor(size: number, tokens: Iterable<readonly [id: number, bytes: Uint8Array]>) {
    this.size = size
    const root: Growing = { children: new Map(), ends: [] }
    for (const [id, bytes] of tokens) {
      if (bytes.length === 0) continue
      let place = root
      for (const byte of bytes) {
        const next = place.children.get(byte) ?? { children: new Map(), ends: [] }
        place.children.set(byte, next)
        place = next
      }
      place.ends.push(id)
    }
    const [edges, edgeByte, edgePlace]: [number[], number[], number[]] = [[0], [], []]
    const [ends, ids]: [number[], number[]] = [[0], []]
    const places = [root]
    for (const { children, ends: here } of places) {
      for (const [byte, child] of children) {
        edgeByte.push(byte)
        edgePlace.push(places.push(child) - 1)
      }
      edges.push(edgeByte.length)
      for (const id of here) ids.push(id)
      ends.push(ids.length)
    }
    this.edges = Int32Array.from(edges)
    this.edgeByte = Uint8Array.from(edgeByte)
    this.edgePlace = Int32Array.from(edgePlace)
    this.ends = Int32Array.from(ends)
    this.tokens = Int32Array.from(ids)
  }

  /**
   * Whether tokens that begin a text of a grammar can always finish it: printable ASCII, and all that may follow within a
   * character, are tokens by themselves. Characters that no token begins are simply not written.
   */
  get isComplete(): boolean {
    const alone = new Set<number>()
    for (let edge = this.edges[0]!; edge < this.edges[1]!; edge++) {
      const place = this.edgePlace[edge]!
      if (this.ends[place + 1]! > this.ends[place]!) alone.add(this.edgeByte[edge]!)
    }
    const needed = Array.from({ length: 0xc0 - 0x20 }, (_, i) => 0x20 + i).filter((byte) => byte !== 0x7f)
    return needed.every((byte) => alone.has(byte))
  }

  /** By id, 1 for a token whose bytes may come next. */
  allowed(state: GrammarState): Uint8Array {
    const known = this.masks.get(state)
    if (known) return known
    const mask = new Uint8Array(this.size)
    this.walk(0, state, mask)
    this.masks.set(state, mask)
    if (this.masks.size > KEPT) this.masks.delete(this.masks.keys().next().value!)
    return mask
  }

  private walk(place: number, state: GrammarState, mask: Uint8Array): void {
    const { edges, edgeByte, edgePlace, ends, tokens } = this
    for (let i = ends[place]!; i < ends[place + 1]!; i++) mask[tokens[i]!] = 1
    for (let edge = edges[place]!; edge < edges[place + 1]!; edge++) {
      const next = state.next(edgeByte[edge]!)
      if (next) this.walk(edgePlace[edge]!, next, mask)
    }
  }
}
