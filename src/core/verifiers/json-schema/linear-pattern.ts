/** Instructions a pattern may come to; a bounded repetition is written out. */
export const MAX_INSTRUCTIONS = 4000
const MAX_DEPTH = 50

type Instruction =
  | { op: 'one'; fits: (character: string) => boolean }
  | { op: 'assert'; holds: (before: string | undefined, after: string | undefined) => boolean }
  | { op: 'split'; to: number[] }
  | { op: 'match' }

/** A pattern that is matched in time linear in the text, whatever it is. */
export interface LinearPattern {
  /** Instructions that it comes to. */
  readonly size: number
  /** Whether it matches anywhere in the text. `spend` is told of the work as it is done, and may throw. */
  test(text: string, spend: (steps: number) => void): boolean
}

/**
 * Compiles a regular expression of JavaScript (flag `u`) for Thompson's simulation, which follows all ways at once and
 * never goes back. What needs going back, lookaround and back references, is refused.
 * @throws Error saying what is wrong with the pattern
 */
export function linearPattern(source: string): LinearPattern {
  new RegExp(source, 'u')
  const program = new Compiler(source).compile()
  return { size: program.length, test: (text, spend) => run(program, text, spend) }
}

function run(program: readonly Instruction[], text: string, spend: (steps: number) => void): boolean {
  const characters = [...text]
  /** At which character each instruction was last come to. */
  const seen = new Int32Array(program.length).fill(-1)
  let threads: number[] = []
  for (let at = 0; at <= characters.length; at++) {
    const [before, after] = [characters[at - 1], characters[at]]
    const here: number[] = []
    let steps = 1
    // A match may begin anywhere, so a thread starts at every character.
    const stack = [0, ...threads]
    while (stack.length > 0) {
      const pc = stack.pop()!
      if (seen[pc] === at) continue
      seen[pc] = at
      steps++
      const instruction = program[pc]!
      if (instruction.op === 'match') return true
      if (instruction.op === 'split') stack.push(...instruction.to)
      else if (instruction.op === 'one') here.push(pc)
      else if (instruction.holds(before, after)) stack.push(pc + 1)
    }
    spend(steps)
    threads = here.filter((pc) => after !== undefined && (program[pc] as { fits(c: string): boolean }).fits(after))
    threads = threads.map((pc) => pc + 1)
  }
  return false
}

const isWord = (character: string | undefined) => character !== undefined && /^\w$/.test(character)
const ASSERTIONS: Record<string, (before: string | undefined, after: string | undefined) => boolean> = {
  '^': (before) => before === undefined,
  $: (_, after) => after === undefined,
  '\\b': (before, after) => isWord(before) !== isWord(after),
  '\\B': (before, after) => isWord(before) === isWord(after),
}

/** Recursive descent over a pattern known to be well-formed. Each part returns its code, addressed from its own start. */
class Compiler {
  private at = 0
  private depth = 0
  private readonly source: string

  constructor(source: string) {
    this.source = source
  }

  compile(): Instruction[] {
    return this.bounded([...this.alternatives(), { op: 'match' }])
  }

  private bounded(code: Instruction[]): Instruction[] {
    if (code.length <= MAX_INSTRUCTIONS) return code
    throw new Error('is too large once its repetitions are written out; repeat less')
  }

  private alternatives(): Instruction[] {
    if (++this.depth > MAX_DEPTH) throw new Error('is nested too deeply')
    const branches = [this.sequence()]
    while (this.source[this.at] === '|') (this.at++, branches.push(this.sequence()))
    this.depth--
    return branches.reduceRight((rest, branch) => {
      const code = concat([{ op: 'split', to: [1, branch.length + 2] }], branch)
      return concat(code, [{ op: 'split', to: [rest.length + 1] }], rest)
    })
  }

  private sequence(): Instruction[] {
    const code: Instruction[] = []
    while (this.at < this.source.length && !'|)'.includes(this.source[this.at]!)) {
      append(code, this.quantified())
      this.bounded(code)
    }
    return code
  }

  private quantified(): Instruction[] {
    const part = this.part()
    const found = this.take(/(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/y)
    if (!found) return part
    const [whole, least, comma, most] = found
    if (whole[0] === '*') return star(part)
    if (whole[0] === '+') return concat(part, star(part))
    if (whole[0] === '?') return optional(part)
    const low = Number(least)
    const high = comma === '' ? low : most === '' ? Infinity : Number(most)
    const copies = Number.isFinite(high) ? high : low + 1
    if (copies * part.length > MAX_INSTRUCTIONS) this.bounded(Array<Instruction>(MAX_INSTRUCTIONS + 1))
    const required = concat(...Array.from({ length: low }, () => part))
    if (!Number.isFinite(high)) return concat(required, star(part))
    // Each copy may be the last: then the way leads behind all of them.
    const optionals = high - low
    const more: Instruction[] = []
    const end = optionals * (part.length + 1)
    for (let i = 0; i < optionals; i++) {
      const at = more.length
      more.push({ op: 'split', to: [at + 1, end] })
      append(more, part)
    }
    return concat(required, more)
  }

  private part(): Instruction[] {
    const assertion = this.take(/\^|\$|\\[bB]/y)
    if (assertion) return [{ op: 'assert', holds: ASSERTIONS[assertion[0]]! }]
    const group = this.take(/\((?:\?(?::|<[A-Za-z_$][\w$]*>))?/y)
    if (group) {
      if (this.source[this.at] === '?')
        throw new Error('looks ahead or behind, which cannot be checked in bounded time')
      const inside = this.alternatives()
      this.at++
      return inside
    }
    if (this.take(/\\(?:[1-9]|k<)/y)) throw new Error('refers back to a group, which cannot be checked in bounded time')
    // A class, an escape or a character: JavaScript itself says what fits it, where it is not plain.
    const [spelled] = this.take(
      /\[(?:\\[\s\S]|[^\]\\])*\]|\\(?:u\{[^}]*\}|u[\dA-Fa-f]{4}(?:\\u[dD][c-fC-F][\dA-Fa-f]{2})?|x[\dA-Fa-f]{2}|c[A-Za-z]|[pP]\{[^}]*\}|[\s\S])|[\s\S]/uy,
    )!
    if (/^[\w \-]$/.test(spelled)) return [{ op: 'one', fits: (character) => character === spelled }]
    const one = new RegExp(`^(?:${spelled})$`, 'u')
    return [{ op: 'one', fits: (character) => one.test(character) }]
  }

  private take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.source)
    if (found) this.at += found[0].length
    return found
  }
}

/** Code put one behind the other, with the jumps of each moved by where it now stands. */
function concat(...parts: Instruction[][]): Instruction[] {
  const code: Instruction[] = []
  for (const part of parts) append(code, part)
  return code
}

function append(code: Instruction[], part: readonly Instruction[]): void {
  const shift = code.length
  for (const instruction of part)
    code.push(instruction.op === 'split' ? { op: 'split', to: instruction.to.map((to) => to + shift) } : instruction)
}

const optional = (part: Instruction[]) => concat([{ op: 'split', to: [1, part.length + 1] }], part)
/** The jump back leads to the split, whose place is the start of this code. */
const star = (part: Instruction[]): Instruction[] => [
  ...concat([{ op: 'split', to: [1, part.length + 2] }], part),
  { op: 'split', to: [0] },
]
