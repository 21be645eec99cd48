import { GavelError } from '../../core/errors.ts'

/**
 * Languages of byte strings that nest: what may come next of a text that is written byte by byte. A grammar is made of
 * nodes; a state is all the ways to go on from what was written so far, each a stack of nodes still to be matched.
 */
export type Node =
  | { type: 'bytes'; allowed: ReadonlySet<number> }
  | { type: 'sequence'; parts: readonly Node[] }
  | { type: 'choice'; options: readonly Node[] }
  /** From `min` to `max` times (max may be Infinity). */
  | { type: 'repeat'; node: Node; min: number; max: number }
  /** Made when it is first needed, so that nodes may hold themselves. */
  | { type: 'later'; make: () => Node }

export const bytes = (...allowed: number[]): Node => ({ type: 'bytes', allowed: new Set(allowed) })
export const range = (from: number, to: number): Node =>
  bytes(...Array.from({ length: to - from + 1 }, (_, i) => from + i))
export const sequence = (...parts: Node[]): Node => ({ type: 'sequence', parts })
export const choice = (...options: Node[]): Node => ({ type: 'choice', options })
export const repeat = (node: Node, min: number, max: number): Node => ({ type: 'repeat', node, min, max })
export const optional = (node: Node): Node => repeat(node, 0, 1)
export const oneOf = (characters: string): Node => bytes(...Buffer.from(characters))
export const literal = (text: string): Node => sequence(...Array.from(Buffer.from(text), (byte) => bytes(byte)))
/** Any of these texts; where they begin alike, that is one way. */
export function anyOf(texts: readonly string[]): Node {
  return branch(
    texts.map((text) => Buffer.from(text)),
    0,
  )
}

function branch(texts: readonly Uint8Array[], at: number): Node {
  const groups = Map.groupBy(texts, (text) => text[at])
  return choice(
    ...[...groups].map(([byte, group]) =>
      byte === undefined
        ? sequence()
        : sequence(
            bytes(byte),
            later(() => branch(group, at + 1)),
          ),
    ),
  )
}

export function later(make: () => Node): Node {
  let made: Node | undefined
  return { type: 'later', make: () => (made ??= make()) }
}

/** More ways to read a text than that are refused: alternatives of alternatives could double at every byte. */
const MAX_WAYS = 2000

/** Nodes still to be matched, the next one first; null is the end. The same nodes are the same object. */
type Stack = { node: Node; rest: Stack; id: number } | null

/** Where a text stands. */
export interface GrammarState {
  /** Whether the text may end here. */
  readonly isEnd: boolean
  /** Whether it must. */
  readonly isFinal: boolean
  /** After one more byte; null where that cannot come. Throws `invalid_request` where there are too many ways. */
  next(byte: number): GrammarState | null
}

/** The texts of a node. States are made as they are met, and kept: the same place is the same object. */
export class ByteGrammar {
  readonly start: GrammarState
  private readonly stacks = new Map<Node, Map<number, Stack>>()
  private readonly states = new Map<string, State>()
  private readonly shorter = new Map<Node, Map<string, Node>>()
  private count = 0

  constructor(node: Node) {
    this.start = this.state([this.push(node, null)])!
  }

  private push(node: Node, rest: Stack): Stack {
    const byRest = this.stacks.get(node) ?? new Map<number, Stack>()
    this.stacks.set(node, byRest)
    const known = byRest.get(rest?.id ?? 0)
    if (known) return known
    const made = { node, rest, id: ++this.count }
    byRest.set(rest?.id ?? 0, made)
    return made
  }

  /** The state of these ways to go on, down to the bytes that come next; null for none. */
  state(ways: readonly Stack[]): State | null {
    const open = [...ways]
    const seen = new Set<Stack>()
    const ready: NonNullable<Stack>[] = []
    let isEnd = false
    for (let way = open.pop(); way !== undefined; way = open.pop()) {
      if (seen.has(way)) continue
      seen.add(way)
      if (way === null) isEnd = true
      else if (way.node.type === 'bytes') ready.push(way)
      else open.push(...this.opened(way.node, way.rest))
    }
    if (ready.length === 0 && !isEnd) return null
    if (ready.length > MAX_WAYS) {
      const message = `the schema has more than ${MAX_WAYS} ways to read one text; make its alternatives differ earlier`
      throw new GavelError('invalid_request', message, { param: 'response_format' })
    }
    ready.sort((a, b) => a.id - b.id)
    const key = `${isEnd ? '.' : ''}${ready.map(({ id }) => id).join()}`
    const known = this.states.get(key)
    if (known) return known
    const made = new State(this, ready, isEnd)
    this.states.set(key, made)
    return made
  }

  /** The ways to match a node that is not bytes, before what is to be matched after it. */
  private opened(node: Exclude<Node, { type: 'bytes' }>, rest: Stack): Stack[] {
    switch (node.type) {
      case 'sequence':
        return [node.parts.reduceRight((stack, part) => this.push(part, stack), rest)]
      case 'choice':
        return node.options.map((option) => this.push(option, rest))
      case 'later':
        return [this.push(node.make(), rest)]
      case 'repeat': {
        const { node: inner, min, max } = node
        const once = max > 0 ? [this.push(inner, this.push(this.oneLess(node), rest))] : []
        return min > 0 ? once : [rest, ...once]
      }
    }
  }

  private oneLess(repeated: Extract<Node, { type: 'repeat' }>): Node {
    const { node, min, max } = repeated
    if (min === 0 && max === Infinity) return repeated
    const byCount = this.shorter.get(node) ?? new Map<string, Node>()
    this.shorter.set(node, byCount)
    const [least, most] = [Math.max(0, min - 1), max - 1]
    const key = `${least} ${most}`
    const known = byCount.get(key) ?? repeat(node, least, most)
    byCount.set(key, known)
    return known
  }
}

class State implements GrammarState {
  readonly isEnd: boolean
  readonly isFinal: boolean
  private readonly grammar: ByteGrammar
  private readonly ways: readonly NonNullable<Stack>[]
  private readonly after: (State | null | undefined)[] = Array<undefined>(256).fill(undefined)
  /** Most bytes go on alike: by the ways that take them. */
  private readonly alike = new Map<string, State | null>()

  constructor(grammar: ByteGrammar, ways: readonly NonNullable<Stack>[], isEnd: boolean) {
    this.grammar = grammar
    this.ways = ways
    this.isEnd = isEnd
    this.isFinal = ways.length === 0
  }

  next(byte: number): State | null {
    const known = this.after[byte]
    if (known !== undefined) return known
    const taken = this.ways.filter(({ node }) => node.type === 'bytes' && node.allowed.has(byte))
    const key = taken.map(({ id }) => id).join()
    const alike = this.alike.get(key)
    const state = alike === undefined ? this.grammar.state(taken.map(({ rest }) => rest)) : alike
    this.alike.set(key, state)
    this.after[byte] = state
    return state
  }
}
