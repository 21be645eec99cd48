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
import { shuffledIndices } from '../../src/core/rl/shuffle.ts'

interface Source {
  question: string
  answer: string
  solution?: string
  body?: string
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

/** GSM8K's own solutions without its calculator's annotations. */
const plain = (solution: string) => solution.replace(/<<.*?>>/g, '')
/** Short enough for a 135M model to follow: up to two calculations, about 40 tokens. */
const isShort = ({ question, solution = '' }: Source) =>
  question.length <= 200 && solution.split('<<').length <= 3 && plain(solution).length <= 120

const mawps = split(distinct(read('mawps_test.jsonl')), MAWPS, ({ question }) => question)
const svamp = split(distinct(read('svamp.jsonl')), SVAMP, ({ body }) => body!)
const gsm8k = split(read('gsm8k_train.jsonl').filter(isShort), GSM8K, ({ question }) => question)
const known = [...mawps.labelled!, ...svamp.labelled!]
const gsm8kTest = split(read('gsm8k_test.jsonl'), GSM8K, ({ question }) => question)

const prompt = ({ question }: Source): Row => ({ prompt: question })
const labelled = ({ question, answer }: Source): Row => ({ prompt: question, answer })
const solved = ({ question, solution }: Source): Row => ({ prompt: question, completion: plain(solution!) })
/** Some one calculation on numbers of the question gives the answer in most of these: that is a solution. */
const calculated = ({ question, answer }: Source): Row[] => {
  const numbers = (question.match(/\d+(?:\.\d+)?/g) ?? []).map(Number)
  const found = numbers.flatMap((a, i) =>
    numbers.flatMap((b, k) =>
      i === k ? [] : calculations(a, b).filter(({ value }) => Math.abs(value - Number(answer)) < 1e-6),
    ),
  )
  return found.slice(0, 1).map(({ text }) => ({ prompt: question, completion: `${text} = ${answer}\n#### ${answer}` }))
}

const datasets: Record<string, Row[]> = {
  warmup: [...known.flatMap(calculated), ...gsm8k.warmup!.map(solved)],
  labelled: known.map(labelled),
  unlabelled: [...mawps.rest!, ...svamp.rest!].map(prompt),
  canary: [...mawps.canary!, ...svamp.canary!].map(labelled),
  'test-mawps': mawps.test!.map(labelled),
  'test-svamp': svamp.test!.map(labelled),
  'test-gsm8k': gsm8kTest.test!.map(labelled),
}

mkdirSync(out, { recursive: true })
for (const [name, rows] of Object.entries(datasets)) {
  writeFileSync(join(out, `${name}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  console.log(`${name}: ${rows.length} rows`)
}

function calculations(a: number, b: number): { text: string; value: number }[] {
  return [
    { text: `${a} + ${b}`, value: a + b },
    { text: `${a} - ${b}`, value: a - b },
    { text: `${a} * ${b}`, value: a * b },
    { text: `${a} / ${b}`, value: a / b },
  ]
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
