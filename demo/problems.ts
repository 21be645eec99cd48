/**
 * Word problems for the demo: an opening, up to two events, a closing and, in about a third of them, a sentence
 * that does not matter. One to three equations, every number a whole one from 1 to 150.
 */
import { crc32 } from 'node:zlib'
import type { Rng } from '../src/core/ports.ts'
import { SeededRng } from '../src/core/rl/seeded-rng.ts'
import { between, chance, pick } from './draw.ts'
import * as fragments from './problem-fragments.ts'
import type { Closing, Event, Gender, Opening, Operator } from './problem-fragments.ts'

export const MAX_VALUE = 150

/** One equation as it is written: `left op right = value`. */
export interface Equation {
  left: number
  op: Operator
  right: number
  value: number
}

/** A number of the problem, or the value of an earlier step. */
export type Operand = number | { step: number }

/** One line of the little program that solves a problem; `fragment` names the sentence it comes from. */
export interface Step {
  fragment: string
  left: Operand
  op: Operator
  right: Operand
}

export interface Problem {
  question: string
  equations: Equation[]
  answer: number
  /** The ids of the fragments, joined by `|`. No combination occurs on both sides of the held-out split. */
  combination: string
  /** How the equations come about; careless solvers go wrong here. */
  steps: Step[]
  /** The number in the sentence that does not matter, if there is one. */
  distractor: number | null
}

/**
 * `count` problems with different questions, drawn in a fixed order: a longer list begins with the shorter one.
 *
 * @param heldout combinations and names that no training problem has, instead of those that they have
 * @param exclude questions that may not occur
 */
export function problems(options: {
  seed: number
  count: number
  heldout: boolean
  exclude?: Iterable<string>
}): Problem[] {
  const rng = new SeededRng(options.seed, 'problems', options.heldout ? 'held-out' : 'training')
  const taken = new Set(options.exclude)
  const found: Problem[] = []
  while (found.length < options.count) {
    const problem = drawProblem(rng, options.heldout)
    if (taken.has(problem.question)) continue
    taken.add(problem.question)
    found.push(problem)
  }
  return found
}

/** One problem. Draws that fall on the wrong side of the split or leave 1 … 150 are thrown away and drawn again. */
export function drawProblem(rng: Rng, heldout: boolean): Problem {
  for (;;) {
    const problem = tryProblem(rng, heldout)
    if (problem) return problem
  }
}

/** Every fifth combination, by hash, belongs to the held-out problems. */
export function isHeldout(combination: string): boolean {
  return crc32(combination) % 5 === 0
}

function tryProblem(rng: Rng, heldout: boolean): Problem | null {
  const opening = pick(rng, fragments.OPENINGS)
  const events = drawEvents(rng)
  const closing = pick(rng, fragments.CLOSINGS)
  const combination = [opening, ...events, closing].map((fragment) => fragment.id).join('|')
  if (isHeldout(combination) !== heldout) return null

  const story = new Story(drawPeople(rng, heldout))
  const sound =
    tellOpening(story, rng, opening) &&
    events.every((event) => tellEvent(story, rng, event)) &&
    tellClosing(story, rng, closing)
  if (!sound || story.steps.length < 1 || story.steps.length > 3) return null

  const distractor = chance(rng, 0.35) ? between(rng, 2, 30) : null
  if (distractor !== null) {
    const place = between(rng, 1, story.sentences.length - 1)
    story.sentences.splice(place, 0, story.fill(pick(rng, fragments.DISTRACTORS), { z: distractor }))
  }
  return {
    question: story.sentences.join(' '),
    equations: story.equations,
    answer: story.count,
    combination,
    steps: story.steps,
    distractor,
  }
}

/** What has been told so far: the sentences, the steps they ask for, and the count they lead to. */
class Story {
  readonly sentences: string[] = []
  readonly steps: Step[] = []
  readonly equations: Equation[] = []
  /** The current count, as an operand and as a number. */
  operand: Operand = 0
  count = 0
  readonly people: Record<string, string>

  constructor(people: Record<string, string>) {
    this.people = people
  }

  fill(text: string, numbers: Record<string, number> = {}): string {
    return text.replace(/\{(\w)\}/g, (_, slot: string) => String(numbers[slot] ?? this.people[slot]))
  }

  tell(text: string, numbers: Record<string, number> = {}): void {
    this.sentences.push(this.fill(text, numbers))
  }

  start(count: number): true {
    this.operand = this.count = count
    return true
  }

  /** Makes `left op right` the current count; false where that is no whole number from 1 to 150. */
  step(fragment: string, left: Operand, op: Operator, right: Operand): boolean {
    const [x, y] = [this.value(left), this.value(right)]
    const value = calculate(op, x, y)
    if (value === null || value < 1 || value > MAX_VALUE) return false
    this.steps.push({ fragment, left, op, right })
    this.equations.push({ left: x, op, right: y, value })
    this.operand = { step: this.steps.length - 1 }
    this.count = value
    return true
  }

  value(operand: Operand): number {
    return typeof operand === 'number' ? operand : this.equations[operand.step]!.value
  }
}

/** `x op y` in whole numbers from 0; null where there is none. */
export function calculate(op: Operator, x: number, y: number): number | null {
  return OPERATIONS[op](x, y)
}

const OPERATIONS = {
  '+': (x, y) => x + y,
  '-': (x, y) => (x >= y ? x - y : null),
  '*': (x, y) => x * y,
  '/': (x, y) => (y > 0 && x % y === 0 ? x / y : null),
} satisfies Record<Operator, (x: number, y: number) => number | null>

function tellOpening(story: Story, rng: Rng, { id, text, op, by }: Opening): boolean {
  const { a, b } = openingNumbers(rng, op, by)
  story.tell(text, { a, b })
  return op ? story.step(id, a, op, b) : story.start(a)
}

function openingNumbers(rng: Rng, op: Operator | undefined, by: number | undefined): { a: number; b: number } {
  if (by) return { a: by * between(rng, 1, 40), b: by }
  if (op === '*') return { a: between(rng, 2, 9), b: between(rng, 2, 12) }
  if (op === '/') {
    const b = between(rng, 2, 9)
    return { a: b * between(rng, 2, 12), b }
  }
  return { a: mostlySmall(rng, 60), b: mostlySmall(rng, 60) }
}

function tellEvent(story: Story, rng: Rng, { id, text, op, by, packs }: Event): boolean {
  const before = story.operand
  if (packs) {
    const [c, d] = [between(rng, 2, 9), between(rng, 2, 9)]
    story.tell(text, { c, d })
    return story.step(`${id}-packs`, c, '*', d) && story.step(id, before, op, story.operand)
  }
  const c = by ?? mostlySmall(rng, 50)
  story.tell(text, { c })
  return story.step(id, before, op, c)
}

function tellClosing(story: Story, rng: Rng, { id, text, op, goal }: Closing): boolean {
  if (!op) {
    story.tell(text)
    return true
  }
  if (goal) {
    const e = story.count + between(rng, 1, 40)
    story.tell(text, { e })
    return e <= MAX_VALUE && story.step(id, e, op, story.operand)
  }
  const e = closingNumber(rng, op, story.count)
  story.tell(text, { e })
  return story.step(id, story.operand, op, e)
}

function closingNumber(rng: Rng, op: Operator, count: number): number {
  if (op === '*' || op === '/') return between(rng, 2, 9)
  if (op === '-') return between(rng, 2, Math.max(2, count - 1))
  return mostlySmall(rng, 60)
}

/** From 2 to `high`, with an extra helping of 2 … 12, as numbers in such problems are. */
export function mostlySmall(rng: Rng, high: number): number {
  return between(rng, 2, chance(rng, 0.4) ? 12 : high)
}

/** No event in a fifth of the draws, one in three fifths, two different ones in a fifth. */
function drawEvents(rng: Rng): Event[] {
  const wanted = pick(rng, [0, 1, 1, 1, 2])
  const events = new Set<Event>()
  while (events.size < wanted) events.add(pick(rng, fragments.EVENTS))
  return [...events]
}

/** Three different people: {N}, whose pronouns the sentences use, and {F} and {G}, of the other gender. */
function drawPeople(rng: Rng, heldout: boolean): Record<string, string> {
  const gender: Gender = chance(rng, 0.5) ? 'he' : 'she'
  const other: Gender = gender === 'he' ? 'she' : 'he'
  const madeUp = !heldout && chance(rng, 0.15)
  const names = heldout ? fragments.HELDOUT_NAMES : fragments.NAMES
  const people = new Set([madeUp ? madeUpName(rng) : pick(rng, names[gender])])
  while (people.size < 3) people.add(madeUp ? madeUpName(rng) : pick(rng, names[other]))
  const [N, F, G] = people
  return { N: N!, F: F!, G: G!, o: pick(rng, fragments.OBJECTS), ...PRONOUNS[gender] }
}

const PRONOUNS = {
  he: { S: 'He', H: 'him' },
  she: { S: 'She', H: 'her' },
} satisfies Record<Gender, Record<string, string>>

function madeUpName(rng: Rng): string {
  const syllables = Array.from({ length: pick(rng, [2, 2, 3]) }, () => pick(rng, fragments.SYLLABLES)).join('')
  return syllables.charAt(0).toUpperCase() + syllables.slice(1)
}

/** Rows of a dataset, with the answers or without. */
export const toJsonl = (rows: readonly Problem[], answers: boolean): string =>
  rows
    .map(({ question, answer }) =>
      JSON.stringify(answers ? { prompt: question, answer: String(answer) } : { prompt: question }),
    )
    .join('\n')
