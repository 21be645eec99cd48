/**
 * Turns the rows of a data folder into the datasets of the run.
 *
 * usage: node examples/gsm8k/data.ts DATA OUT
 *   DATA  a folder with gsm8k_train.jsonl, gsm8k_test.jsonl, svamp.jsonl and mawps_test.jsonl: rows {question, answer}
 *         and, for GSM8K, {solution}
 *   OUT   where NAME.jsonl is written for each dataset
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { shuffledIndices } from '../../src/core/rl/shuffled-indices.ts'
import { formulaOf, numbersOf, resultsOf, written, type Formula } from './formulas.ts'
import { renumber } from './renumber.ts'
import { spoil } from './spoil.ts'

interface Source {
  question: string
  answer: string
  solution?: string
  body?: string
}
interface Solvable {
  question: string
  formula: Formula
  numbers?: number[]
}
interface Row {
  prompt: string
  answer?: string
  completion?: string
}

const SEED = 1
/** Rows of each split that a source gives; what is left over is `unlabelled`. */
const MAWPS = { test: 500, labelled: 700, canary: 100 }
const SVAMP = { test: 300, labelled: 300, canary: 50 }
const GSM8K = { test: 200, warmup: 300 }
/** What the judge is taught on: questions for the student to answer, and pairs of a right and a spoiled solution. */
const JUDGE = { questions: 1600, pairs: 700 }

const [data, out] = process.argv.slice(2)
if (data === undefined || out === undefined) {
  console.error('usage: node examples/gsm8k/data.ts DATA OUT')
  process.exit(2)
}

const read = (name: string) =>
  readFileSync(join(data, name), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Source)

/** GSM8K's own calculations, in the form of the others: `48 / 2 = 24`, a line a step. */
const CALCULATION = /<<(\d+)([-+*/])(\d+)=(\d+)>>/g
const calculations = (solution: string) =>
  [...solution.matchAll(CALCULATION)].map(([, a, operator, b, result]) => `${a} ${operator} ${b} = ${result}`)
/** Up to three steps, each of two whole numbers. */
const isShort = ({ question, solution = '' }: Source) =>
  question.length <= 240 &&
  solution.split('<<').length <= 4 &&
  calculations(solution).length === solution.split('<<').length - 1

const mawps = split(distinct(read('mawps_test.jsonl')), MAWPS, ({ question }) => question)
const svamp = split(distinct(read('svamp.jsonl')), SVAMP, ({ body }) => body!)
const gsm8k = split(read('gsm8k_train.jsonl').filter(isShort), GSM8K, ({ question }) => question)
const gsm8kTest = split(read('gsm8k_test.jsonl'), GSM8K, ({ question }) => question)

const known = [...mawps.labelled!, ...svamp.labelled!]
const solvable = known.flatMap((row) => {
  const formula = formulaOf(row.question, row.answer)
  return formula ? [{ ...row, formula }] : []
})
const rng = new SeededRng(SEED, 'renumber')
/** Each solvable row anew, with other numbers; those that cannot be renumbered are left out. */
const variants = () =>
  solvable.flatMap(({ question, formula }) => {
    const variant = renumber(question, formula, rng)
    return variant ? [{ ...variant, formula }] : []
  })

const prompt = ({ question }: Source): Row => ({ prompt: question })
const labelled = ({ question, answer }: Source): Row => ({ prompt: question, answer })
const solved = ({ question, formula, numbers = numbersOf(question) }: Solvable): Row => ({
  prompt: question,
  completion: written(formula, numbers),
})
const asked = ({ question, formula, numbers }: Required<Solvable>): Row => ({
  prompt: question,
  answer: `${resultsOf(formula, numbers).at(-1)}`,
})
const taught = ({ question, answer, solution }: Source): Row => ({
  prompt: question,
  completion: [...calculations(solution!), `#### ${answer}`].join('\n'),
})

const datasets: Record<string, Row[]> = {
  warmup: [
    ...solvable.map(solved),
    ...[1, 2, 3, 4].flatMap(() => variants().map(solved)),
    ...gsm8k.warmup!.map(taught),
  ],
  labelled: known.map(labelled),
  unlabelled: [...mawps.rest!, ...svamp.rest!].map(prompt),
  canary: [...mawps.canary!, ...svamp.canary!].map(labelled),
  // For the judge: questions that the student answers, and solutions right (Yes) and spoiled (No).
  'judge-questions': some([...known.map(labelled), ...variants().map(asked)], JUDGE.questions),
  'judge-solutions': some(variants(), JUDGE.pairs).flatMap((variant) => [
    { ...solved(variant), answer: 'Yes' },
    { prompt: variant.question, completion: spoil(variant.formula, variant.numbers, rng), answer: 'No' },
  ]),
  'test-mawps': mawps.test!.map(labelled),
  'test-svamp': svamp.test!.map(labelled),
  'test-gsm8k': gsm8kTest.test!.map(labelled),
}

mkdirSync(out, { recursive: true })
for (const [name, rows] of Object.entries(datasets)) {
  writeFileSync(join(out, `${name}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  console.log(`${name}: ${rows.length} rows`)
}

/** So many, drawn at random. */
function some<T>(list: readonly T[], count: number): T[] {
  return [...shuffledIndices(list.length, rng)].slice(0, count).map((i) => list[i]!)
}

/** Each question once. */
function distinct(rows: Source[]): Source[] {
  const seen = new Map(rows.map((row) => [row.question.toLowerCase().replace(/\W+/g, ' '), row]))
  return [...seen.values()]
}

/**
 * Rows dealt out at random. Those that differ in their numbers only (in their last sentence, for SVAMP, which asks
 * several things of one story) stay together, so that no split holds another's problem in disguise.
 */
function split(rows: Source[], sizes: Record<string, number>, storyOf: (row: Source) => string) {
  const mask = (text: string) =>
    text
      .toLowerCase()
      .replace(/[\d.,]+/g, '#')
      .replace(/[^a-z#]+/g, ' ')
  const stories = [...Map.groupBy(rows, (row) => mask(storyOf(row))).values()]
  const order = [...shuffledIndices(stories.length, new SeededRng(SEED, 'split'))]
  const parts: Record<string, Source[]> = {
    ...Object.fromEntries(Object.keys(sizes).map((name) => [name, []])),
    rest: [],
  }
  for (const story of order.map((i) => stories[i]!)) {
    const open = Object.keys(sizes).find((name) => parts[name]!.length + story.length <= sizes[name]!)
    parts[open ?? 'rest']!.push(...story)
  }
  return parts
}
