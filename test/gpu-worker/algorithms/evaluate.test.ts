import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Judgment } from '../../../src/core/judges/probability.ts'
import type { JudgeItem } from '../../../src/core/judges/template.ts'
import type { DatasetRow } from '../../../src/core/schemas/dataset.ts'
import {
  ANSWERS_FILE,
  evalSpec,
  SCORES_FILE,
  type AnsweredRow,
  type RowScores,
} from '../../../src/core/schemas/eval.ts'
import type { Sample } from '../../../src/core/schemas/job.ts'
import { parse } from '../../../src/core/schemas/parse.ts'
import { passAtK } from '../../../src/core/stats/pass-at-k.ts'
import { evaluate } from '../../../src/gpu-worker/algorithms/evaluate.ts'
import { RunStopped, type Resume, type RunContext } from '../../../src/gpu-worker/algorithms/run-context.ts'
import { openFolder } from '../../../src/gpu-worker/models/source.ts'
import { temporaryFolder, tinyModelFolder, tinyTokenizer } from '../../../testing/tiny-model-folder.ts'
import { runJob } from '../../helpers/run-job.ts'

const folder = tinyModelFolder()

const RIGHT = [true, false, true, false, true]
const rowsOf = (golds: (string | undefined)[]): DatasetRow[] =>
  golds.map((answer, i) => ({ prompt: `problem ${i}`, ...(answer !== undefined && { answer }) }))

interface RunOptions {
  judge?: (item: JudgeItem, i: number) => Judgment
  verifier?: string | undefined
  resume?: Resume | null
  /** Whether to stop, at each time it is asked. */
  stop?: () => boolean
}

/** Runs an evaluation of rows; answers its result, the samples, and the checkpoints by step. */
async function run(
  rows: DatasetRow[],
  config: object,
  { judge, verifier = 'contains', resume = null, stop = () => false }: RunOptions = {},
) {
  const kept: Sample[] = []
  const checkpoints: Resume[] = []
  const context = {
    threads: 1,
    resume,
    openModel: async () => openFolder(folder),
    rows: () => rows.map((row, i) => ({ line: i + 1, row })),
    judge: async (items: JudgeItem[]) => items.map(judge!),
    metrics: () => {},
    stopRequested: stop,
    samples: (rows: Sample[]) => void kept.push(...rows),
    checkpoint: async (step: number, state: object, write: (folder: string) => void) => {
      const folder = temporaryFolder()
      write(folder)
      checkpoints.push({ step, state: { ...state }, folder })
    },
  } as unknown as RunContext
  const spec = parse(
    evalSpec,
    {
      type: 'eval',
      model: 'm',
      dataset: 'd',
      ...(verifier && { verifier }),
      ...(judge && { judge: 'j' }),
      config: { max_new_tokens: 12, temperature: 1, ...config },
    },
    'spec',
  )
  const result = await evaluate(spec, context).catch((error: Error) => {
    if (error instanceof RunStopped) return null
    throw error
  })
  return { result: result!, kept, checkpoints }
}

const linesOf = <T>({ folder }: Resume, file: string): T[] =>
  readFileSync(join(folder, file), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T)

/** What the model writes, the same at each run, where it is to be right; something else where it is not. */
const written = (await run(rowsOf(RIGHT.map(() => 'never written')), {})).kept.map(({ completion }) => completion)
const labelled = rowsOf(RIGHT.map((right, i) => (right ? written[i]! : 'never written')))
const scored = (probability: number): Judgment => ({ outcome: 'scored', probability, labelMass: 0.9 })

describe('evaluate', () => {
  it('keeps as many answers as asked, in order', async () => {
    const { kept, result } = await run(labelled, { samples: 3 })
    assert.deepEqual(
      kept.map(({ index, prompt, reward }) => [index, prompt, reward]),
      RIGHT.slice(0, 3).map((right, i) => [i, `problem ${i}`, right ? 1 : 0]),
    )
    assert.deepEqual((await run(labelled, { samples: 0 })).kept, [])
    assert.deepEqual([result.rows, result.correct, result.n, result.accuracy], [5, 3, 5, 0.6])
    assert.equal('pass_at_k' in result, false)
  })

  it('says how the judge agrees with the verifier, over the answers it scored', async () => {
    const probabilities = [0.9, 0.6, 0.4, 0.1]
    const { result, kept } = await run(labelled, {}, {
      judge: (_, i) =>
        i < 4
          ? scored(probabilities[i]!)
          : { outcome: 'abstained', labelMass: 0.4, reason: 'said something else' },
    }) // prettier-ignore
    // Right answers scored 0.9 and 0.4, wrong ones 0.6 and 0.1: three of four pairs are in order.
    const { label_mass, mean, low, high, ...judge } = result.judge!
    assert.deepEqual(judge, {
      scored: 4,
      accepted: 0.5,
      auc: 0.75,
      accuracy: 0.5,
      false_positive_rate: 0.5,
      false_negative_rate: 0.5,
    })
    assert.ok(Math.abs(mean! - 0.5) < 1e-12)
    assert.ok(Math.abs(label_mass! - 0.8) < 1e-12)
    // Wilson of 2 of 4, by Newcombe's formula.
    assert.deepEqual([low.toFixed(4), high.toFixed(4)], ['0.1500', '0.8500'])
    assert.deepEqual(
      kept.map(({ terms }) => terms!.judge),
      [...probabilities, undefined],
    )
    assert.equal(result.correct, 3)
  })

  it('asks a judge about rows without answers, and counts only what it knows', async () => {
    const judge = (_: JudgeItem, i: number) => scored(i % 2 ? 0.25 : 0.75)
    const { result, kept, checkpoints } = await run(rowsOf([undefined, undefined, undefined, undefined]), {}, {
      judge,
      verifier: '',
    }) // prettier-ignore
    const { n, accuracy, rows } = result
    assert.deepEqual({ n, accuracy, rows }, { n: 0, accuracy: null, rows: 4 })
    assert.deepEqual([result.judge!.mean, result.judge!.accepted, result.judge!.auc], [0.5, 0.5, null])
    assert.deepEqual(
      kept.map(({ reward, answer }) => [reward, answer]),
      [[0.75, null], [0.25, null], [0.75, null], [0.25, null]],
    ) // prettier-ignore
    assert.deepEqual(linesOf<RowScores>(checkpoints[0]!, SCORES_FILE)[1], { line: 2, correct: null, judge: [0.25] })

    const mixed = await run([labelled[0]!, { prompt: 'open' }], {}, { judge })
    assert.deepEqual([mixed.result.n, mixed.result.correct, mixed.result.judge!.scored], [1, 1, 2])
  })

  it('draws several answers to a row: pass@k over them, votes by value', async () => {
    const config = { group_size: 6, k: [1, 2, 6], samples: 100 }
    // Letters that some of its answers have, and a text that none has.
    const golds = rowsOf(['a', 'e', 'zzzz'])
    const { result, kept, checkpoints } = await run(golds, config)
    const rows = linesOf<AnsweredRow>(checkpoints.at(-1)!, ANSWERS_FILE)
    const right = rows.map(({ answers }) => answers.filter(({ correct }) => correct).length)
    assert.ok(right[0]! + right[1]! > 0 && right[2] === 0, `${right}`)
    assert.deepEqual(
      result.pass_at_k!.map(({ k, value }) => [k, value.toFixed(12)]),
      [1, 2, 6].map((k) => [k, ((passAtK(6, right[0]!, k) + passAtK(6, right[1]!, k)) / 3).toFixed(12)]),
    )
    assert.equal(result.pass_at_k![0]!.value.toFixed(12), result.accuracy!.toFixed(12))
    assert.equal(result.majority_at_k![0]!.value.toFixed(12), result.accuracy!.toFixed(12))
    assert.equal(kept.length, 18)
    assert.deepEqual([...new Set(kept.map(({ prompt }) => prompt))], golds.map(({ prompt }) => prompt)) // prettier-ignore
    const texts = rows[0]!.answers.map(({ text }) => text)
    assert.ok(new Set(texts).size > 1, 'all draws are equal')
    assert.deepEqual(
      rows[0]!.answers.map(({ value }) => value),
      texts.map((text) => (text.trim() === '' ? -1 : texts.indexOf(text))),
    )
  })

  it('stopped anywhere, goes on to the same result, answers and all', async () => {
    const config = { group_size: 120, max_new_tokens: 4, samples: 0 }
    const rows = rowsOf(['a', 'e', 'o', 'i', 'u'])
    const judge = (item: JudgeItem) => scored(1 / (1 + item.answer.length))
    const whole = await run(rows, config, { judge })
    let asked = 0
    const first = await run(rows, config, { judge, stop: () => ++asked > 1 })
    assert.equal(first.result, null)
    assert.equal(first.checkpoints.at(-1)!.step, 2)
    const rest = await run(rows, config, { judge, resume: first.checkpoints.at(-1)! })
    assert.deepEqual(rest.result, whole.result)
    for (const file of [ANSWERS_FILE, SCORES_FILE])
      assert.ok(
        readFileSync(join(rest.checkpoints.at(-1)!.folder, file)).equals(
          readFileSync(join(whole.checkpoints.at(-1)!.folder, file)),
        ),
        file,
      )
    // Killed after the last commit, nothing is left to do but to say the result.
    const told = await run(rows, config, { judge, resume: whole.checkpoints.at(-1)!, stop: () => true })
    assert.deepEqual([told.result, told.checkpoints], [whole.result, []])
    const cut = { ...whole.checkpoints.at(-1)!, step: 4 }
    await assert.rejects(run(rows, config, { judge, resume: cut }), { message: /answers\.jsonl of step 4 has 5 rows/ })
  })

  it('names the row whose prompt leaves no room for an answer', async () => {
    const rows = [{ prompt: 'short', answer: 'x' }, { prompt: 'long '.repeat(250), answer: 'x' }] // prettier-ignore
    await assert.rejects(run(rows, { max_new_tokens: 400 }), {
      code: 'prompt_too_long',
      message: /^dataset, line 2: the prompt has \d+ tokens, which with 400 new ones is more than the 512/,
    })
  })
})

describe('a model that is not sound', () => {
  const spec = { type: 'eval', model: 'm', dataset: 'dataset', verifier: 'math', config: { max_new_tokens: 3 } }
  const list = [{ prompt: 'one', answer: '1' }]
  const rows = { dataset: list, labelled: list }

  it('is no number of right answers where what it computes is none', async () => {
    // Finite weights, but what they make of each other is not.
    const { weights } = openFolder(folder)
    for (const { data } of weights.values()) data.forEach((_, i) => (data[i] = 1e15 * Math.sin(i)))
    await assert.rejects(runJob(spec, { model: tinyModelFolder({ weights }), rows }), {
      code: 'corrupt_model',
      message: /^dataset, line 1: what the model computes is not a number; its weights are too large/,
    })
  })

  it('is warned of where no token ends its answers', async () => {
    const { tokenizer, config } = tinyTokenizer()
    const model = tinyModelFolder({ tokenizer: { tokenizer, config: { ...config, eos_token: '<nothing>' } } })
    const grpo = {
      type: 'grpo',
      model: 'm',
      data: { labelled: 'labelled' },
      reward: { lambda: 1, verifier: 'math', gate: false },
      config: { steps: 1, prompts_per_step: 1, group_size: 2, max_prompt_tokens: 16, max_new_tokens: 3 },
    }
    for (const job of [spec, grpo]) {
      const { events } = await runJob(job, { model, rows })
      assert.match(events.join(), /^the tokenizer has no token that ends a text [^,]*, so every answer goes on to max_/)
    }
    assert.deepEqual((await runJob(spec, { model: folder, rows })).events, [])
  })
})

describe('an eval spec', () => {
  const given = (config: object) => () =>
    parse(evalSpec, { type: 'eval', model: 'm', dataset: 'd', verifier: 'math', config }, 'body')
  it('refuses several greedy answers, and a k that is more than there are', () => {
    assert.throws(given({ group_size: 4 }), { message: /set `temperature` above 0/ })
    assert.throws(given({ group_size: 4, temperature: 1, k: [8] }), { message: /`k` larger than `group_size`/ })
    given({ group_size: 4, temperature: 1, k: [1, 4] })()
  })
})
