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
import { TINY_CONFIG } from '../../../testing/tiny-model.ts'
import { runJob } from '../../helpers/run-job.ts'

const folder = tinyModelFolder()

const RIGHT = [true, false, true, false, true]
const rowsOf = (golds: (string | undefined)[]): DatasetRow[] =>
  golds.map((answer, i) => ({ prompt: `problem ${i}`, ...(answer !== undefined && { answer }) }))

interface RunOptions {
  judge?: (item: JudgeItem, i: number) => Judgment
  verifier?: string | object | undefined
  model?: string
  resume?: Resume | null
  /** Whether to stop, at each time it is asked. */
  stop?: () => boolean
}

/** Runs an evaluation of rows; answers its result, the samples, and the checkpoints by step. */
async function run(
  rows: DatasetRow[],
  config: object,
  { judge, verifier = 'contains', model = folder, resume = null, stop = () => false }: RunOptions = {},
) {
  const kept: Sample[] = []
  const checkpoints: Resume[] = []
  const metrics: [number, Record<string, number>][] = []
  const asked: JudgeItem[][] = []
  let posts = 0
  const context = {
    threads: 1,
    resume,
    openModel: async () => openFolder(model),
    rows: () => rows.map((row, i) => ({ line: i + 1, row })),
    judge: async (items: JudgeItem[]) => (asked.push(items), items.map(judge!)),
    metrics: (step: number, values: Record<string, number>) => void metrics.push([step, values]),
    stopRequested: stop,
    samples: (rows: Sample[]) => (posts++, void kept.push(...rows)),
    checkpoint: async (step: number, state: object, write: (folder: string) => void) => {
      const folder = temporaryFolder()
      write(folder)
      checkpoints.push({ step, state: { ...state }, folder })
    },
    event: () => {},
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
  return { result: result!, kept, checkpoints, metrics, asked, posts }
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
    await assert.rejects(run(rows, config, { judge, resume: cut }), {
      code: 'corrupt_model',
      message: /answers\.jsonl of step 4 has 5 rows/,
    })
  })

  it('names the row whose prompt leaves no room for an answer', async () => {
    const rows = [{ prompt: 'short', answer: 'x' }, { prompt: 'long '.repeat(250), answer: 'x' }] // prettier-ignore
    await assert.rejects(run(rows, { max_new_tokens: 400 }), {
      code: 'prompt_too_long',
      message:
        /^dataset, line 2: the prompt has \d+ tokens, more than the 112 allowed; 1 of 2 rows .* room for 112 beside 400 new ones\. To go on, set on_long_rows/,
    })
  })
})

describe('what an evaluation tells and keeps', () => {
  it('tells how far it is and how it stands, of verifier and judge', async () => {
    const { metrics } = await run(labelled, {})
    assert.deepEqual(metrics, [[5, { 'eval/done': 5, 'eval/accuracy': 0.6 }]])
    const judged = await run(
      rowsOf([undefined, undefined]),
      {},
      { judge: (_, i) => scored(0.25 + 0.5 * i), verifier: '' },
    )
    assert.deepEqual(judged.metrics, [[2, { 'eval/done': 2, 'eval/judge': 0.5 }]])
    const unsure = (): Judgment => ({ outcome: 'abstained', labelMass: 0.1, reason: 'maybe' })
    const neither = await run(rowsOf([undefined]), {}, { judge: unsure, verifier: '' })
    assert.deepEqual(neither.metrics, [[1, { 'eval/done': 1 }]])
  })

  it('draws 250 answers between two reports, and keeps each once, by its place', async () => {
    const rows = rowsOf(Array.from({ length: 251 }, () => 'never written'))
    const { metrics, kept, posts, checkpoints } = await run(rows, { max_new_tokens: 1, samples: 251 })
    assert.deepEqual(
      metrics.map(([step]) => step),
      [250, 251],
    )
    assert.deepEqual(
      kept.map(({ index, prompt }) => [index, prompt]),
      rows.map(({ prompt }, i) => [i, prompt]),
    )
    assert.equal(posts, 2)
    const { step, split, answer, reward, terms } = kept[250]!
    assert.deepEqual([step, split, answer, reward, terms], [0, 'eval', 'never written', 0, { verifier: 0 }])
    assert.deepEqual(
      checkpoints.map(({ step }) => step),
      [250, 251],
    )
    // Nothing to keep, nothing to post.
    assert.equal((await run(labelled, { samples: 0 })).posts, 0)
  })

  it('commits about twenty times, each time with all of its rows, and at the end', async () => {
    // One row a chunk.
    const { checkpoints } = await run(rowsOf(Array.from({ length: 21 }, () => 'x')), { group_size: 126, max_new_tokens: 1, samples: 0, k: [1] }) // prettier-ignore
    assert.deepEqual(
      checkpoints.map(({ step }) => step),
      [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 21],
    )
    assert.equal(linesOf<AnsweredRow>(checkpoints[3]!, ANSWERS_FILE).length, 8)
  })

  it('commits what it has not yet committed when it is stopped, and nothing twice', async () => {
    const rows = rowsOf(Array.from({ length: 21 }, () => 'x'))
    const stoppedAfter = async (chunks: number) => {
      let looks = 0
      const stop = () => ++looks > chunks
      const { result, checkpoints } = await run(rows, { group_size: 126, max_new_tokens: 1, samples: 0, k: [1] }, { stop }) // prettier-ignore
      assert.equal(result, null)
      return checkpoints.map(({ step }) => step)
    }
    assert.deepEqual(await stoppedAfter(0), [])
    assert.deepEqual(await stoppedAfter(1), [1])
    assert.deepEqual(await stoppedAfter(2), [2])
  })

  it('looks at the first rows only, where there is a limit', async () => {
    const { result, kept } = await run(labelled, { limit: 2 })
    assert.deepEqual([result.rows, kept.map(({ prompt }) => prompt)], [2, ['problem 0', 'problem 1']])
  })

  it('writes down of each answer what verifier and judge said', async () => {
    const said: Judgment[] = [
      scored(0.7),
      { outcome: 'abstained', labelMass: 0.2, reason: 'maybe' },
      { outcome: 'failed', reason: 'timeout' },
    ]
    const { checkpoints, kept } = await run([labelled[0]!, labelled[1]!, { prompt: 'open' }], {}, { judge: (_, i) => said[i]! }) // prettier-ignore
    const rows = linesOf<AnsweredRow>(checkpoints[0]!, ANSWERS_FILE)
    assert.deepEqual(
      rows.map(({ line, prompt, gold, answers }) => [line, prompt, gold, answers.length]),
      [
        [1, 'problem 0', written[0], 1],
        [2, 'problem 1', 'never written', 1],
        [3, 'open', null, 1],
      ],
    )
    assert.deepEqual(
      rows.map(({ answers }) => answers[0]!.judgment),
      [
        { outcome: 'scored', probability: 0.7, label_mass: 0.9, reason: null },
        { outcome: 'abstained', probability: null, label_mass: 0.2, reason: 'maybe' },
        { outcome: 'failed', probability: null, label_mass: null, reason: 'timeout' },
      ],
    )
    assert.deepEqual(
      rows.map(({ answers: [answer] }) => [answer!.correct, answer!.reward, answer!.value]),
      [[true, 1, 0], [false, 0, 0], [null, null, -1]],
    ) // prettier-ignore
    assert.equal(rows[2]!.answers[0]!.extracted, null)
    assert.deepEqual(
      kept.map(({ terms }) => terms),
      [{ verifier: 1, judge: 0.7 }, { verifier: 0 }, {}],
    )
    assert.deepEqual(linesOf<RowScores>(checkpoints[0]!, SCORES_FILE), [
      { line: 1, correct: [true], judge: [0.7] },
      { line: 2, correct: [false], judge: [null] },
      { line: 3, correct: null, judge: [null] },
    ])
    // Nobody asked: no judgment of it, which is another thing than none given.
    const alone = await run([labelled[0]!], {})
    assert.equal(linesOf<AnsweredRow>(alone.checkpoints[0]!, ANSWERS_FILE)[0]!.answers[0]!.judgment, null)
    assert.deepEqual(linesOf<RowScores>(alone.checkpoints[0]!, SCORES_FILE), [
      { line: 1, correct: [true], judge: null },
    ])
  })

  it('writes down why the verifier refuses an answer, where it says so', async () => {
    const reasons = async (verifier: string | object, gold: string) => {
      const { checkpoints } = await run(rowsOf([gold]), {}, { verifier })
      const [row] = linesOf<AnsweredRow>(checkpoints[0]!, ANSWERS_FILE)
      return row!.answers.map((answer) => ('reason' in answer ? answer.reason : 'no reason'))
    }
    assert.deepEqual(await reasons({ type: 'json_schema' }, '{"type":"object"}'), ['The text is not JSON.'])
    assert.deepEqual(await reasons('contains', 'x'), ['no reason'])
  })

  it('asks the judge about each answer under its own question, without the template', async () => {
    const config = { group_size: 2, samples: 4 }
    const { asked, kept } = await run(rowsOf(['a', 'b']), config, { judge: () => scored(0.5) })
    assert.deepEqual(
      asked,
      [kept.map(({ completion }, i) => ({ question: `problem ${Math.floor(i / 2)}`, answer: completion }))], // prettier-ignore
    )
    assert.equal(asked[0]!.length, 4)
  })

  it('ends where the judge cannot be asked, naming the lines, and goes on where it abstains', async () => {
    const away: Judgment = { outcome: 'failed', reason: 'ECONNREFUSED' }
    await assert.rejects(run(labelled, {}, { judge: () => away }), {
      code: 'judge_unreachable',
      message: /^dataset, lines 1 to 5: none of 5 answers got a score: the judge failed \(ECONNREFUSED\)/,
    })
    const unsure: Judgment = { outcome: 'abstained', labelMass: 0, reason: 'maybe' }
    const { result } = await run(labelled, {}, { judge: (_, i) => (i ? away : unsure) })
    assert.deepEqual([result.judge!.scored, result.correct], [0, 3])
  })

  it('takes a prompt that fills the model’s context with its answer to the last token', async () => {
    const { codec } = openFolder(folder)
    const prompt = Array(500).fill('a').join(' ')
    const { length } = codec.encode(prompt)
    const rows = [{ prompt, answer: 'x' }]
    assert.equal((await run(rows, { max_new_tokens: 512 - length })).result.rows, 1)
    await assert.rejects(run(rows, { max_new_tokens: 513 - length }), {
      code: 'prompt_too_long',
      param: 'dataset',
      message: `dataset, line 1: the prompt has ${length} tokens, more than the ${length - 1} allowed; 1 of 1 rows has more than ${length - 1} tokens (line 1; the longest ${length}), and the model's context has room for ${length - 1} beside ${513 - length} new ones. To go on, give max_prompt_tokens ${length} and max_new_tokens ${512 - length}, set on_long_rows to "truncate" or "skip", or shorten the rows`,
    })
  })
})

describe('a model that breaks on some texts', () => {
  /**
   * One that computes no number as soon as it reads one of these tokens: they alone are anything in the first dimension,
   * which alone a layer's weights are too large for.
   */
  function breaking(isBad: (id: number) => boolean): string {
    const { weights } = openFolder(folder)
    const column = (name: string, to: (row: number) => number) => {
      const { data, shape } = weights.get(name)!
      for (let row = 0; row < shape[0]!; row++) data[row * shape[1]!] = to(row)
    }
    column('model.embed_tokens.weight', (id) => (isBad(id) ? 100 : 0))
    for (const name of weights.keys()) {
      if (!/(o_proj|down_proj)\.weight$/.test(name)) continue
      const { data, shape } = weights.get(name)!
      data.fill(0, 0, shape[1])
    }
    for (const name of ['gate_proj', 'up_proj']) column(`model.layers.0.mlp.${name}.weight`, () => 3e38)
    return tinyModelFolder({ weights })
  }

  it('is refused by the line of the row that it breaks on', async () => {
    const bad = new Set(openFolder(folder).codec.encode('zebra'))
    const good = openFolder(folder).codec.encode('one two')
    assert.ok(!good.some((id) => bad.has(id)))
    const model = breaking((id) => bad.has(id))
    const fine = { prompt: 'one two', answer: 'x' }
    const options = { model }
    assert.equal((await run([fine, fine], { max_new_tokens: 1 }, options)).result.rows, 2)
    for (const [rows, line] of [
      [[fine, fine, { prompt: 'zebra', answer: 'x' }], 3],
      [[{ prompt: 'zebra', answer: 'x' }, fine], 1],
    ] as const)
      await assert.rejects(run([...rows], { max_new_tokens: 1, group_size: 2 }, options), {
        code: 'corrupt_model',
        message: new RegExp(`^dataset, line ${line}: what the model computes is not a number`),
      })
  })

  it('is refused though its answer began well', async () => {
    const prompt = new Set(openFolder(folder).codec.encode('one two'))
    const model = breaking((id) => !prompt.has(id))
    // Its first token is drawn from numbers, all that follow from none.
    const rows = [{ prompt: 'one two', answer: 'x' }]
    assert.equal((await run(rows, { max_new_tokens: 1 }, { model })).result.rows, 1)
    await assert.rejects(run(rows, { max_new_tokens: 4 }, { model }), { code: 'corrupt_model' })
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
    const model = tinyModelFolder({
      config: { ...TINY_CONFIG, eos_token_id: null },
      tokenizer: { tokenizer, config: { ...config, eos_token: '<nothing>' } },
    })
    const grpo = {
      type: 'grpo',
      model: 'm',
      data: { labelled: 'labelled' },
      reward: { lambda: 1, verifier: 'math', gate: false },
      config: { steps: 1, prompts_per_step: 1, group_size: 2, max_prompt_tokens: 16, max_new_tokens: 3 },
    }
    for (const job of [spec, grpo]) {
      const { events } = await runJob(job, { model, rows })
      assert.match(events.join(), /,the model names no token that ends a text [^)]*\), so every answer goes on to max_/)
    }
    assert.doesNotMatch((await runJob(spec, { model: folder, rows })).events.join(), /names no token/)
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
