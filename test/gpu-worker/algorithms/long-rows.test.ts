import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { OnLongRows } from '../../../src/core/schemas/training.ts'
import { LongRows } from '../../../src/gpu-worker/algorithms/long-rows.ts'
import { openFolder } from '../../../src/gpu-worker/models/source.ts'
import { runJob } from '../../helpers/run-job.ts'
import { byLength, job, MODEL, ROWS, sft } from '../../helpers/small-jobs.ts'

const rowsOf = (...lengths: number[]) =>
  lengths.map((length, i) => ({ line: i + 1, ids: Array.from({ length }, (_, t) => t) }))
type Row = ReturnType<typeof rowsOf>[number]

function fit(policy: OnLongRows, rows: Row[], changes: object = {}) {
  const events: string[] = []
  const event = (level: string, message: string) => void events.push(`${level}: ${message}`)
  const long = new LongRows(policy, 20, { event, resume: null, ...changes } as never)
  const shorten = (row: Row) => (row.line === 3 ? null : { ...row, ids: row.ids.slice(0, 4) })
  const numbered = rows.map(({ line }) => ({ line, row: { prompt: 'x' } }))
  const looked: number[] = []
  const fitted = long.fit(
    numbered,
    ({ line }) => rows[line - 1]!,
    { role: 'dataset', what: 'the row has', limit: 4, field: 'max_tokens', shorten },
    ({ line }) => looked.push(line),
  )
  const all = [...fitted]
  assert.deepEqual(looked, all.map(({ line }) => line)) // prettier-ignore
  assert.deepEqual(
    all,
    Array.from({ length: fitted.length }, (_, i) => fitted.at(i)),
  )
  return { fitted: all.map(({ line, ids }) => [line, ids.length]), events, result: long.result() }
}

describe('LongRows', () => {
  test('rows that fit to the last token are let pass without a word', () => {
    for (const policy of ['error', 'truncate', 'skip'] as const)
      assert.deepEqual(fit(policy, rowsOf(4, 1)), { fitted: [[1, 4], [2, 1]], events: [], result: {} }) // prettier-ignore
  })

  test('an error names the first rows, the longest, and how to go on', () => {
    assert.throws(() => fit('error', rowsOf(4, 5, 9, 3, 6)), {
      code: 'prompt_too_long',
      param: 'dataset',
      message:
        'dataset, line 2: the row has 5 tokens, more than the 4 allowed; 3 of 5 rows have more than 4 tokens (lines 2, 3, 5; the longest 9). To go on, raise max_tokens to 9, set on_long_rows to "truncate" or "skip", or shorten the rows',
    })
    assert.throws(() => fit('error', rowsOf(21)), {
      message: /line 1; the longest 21\), and the model's context has room for 20\. To go on, set on_long_rows/,
    })
    assert.throws(() => fit('error', rowsOf(5, 5, 5, 5, 5, 5, 5)), {
      message: /\(lines 1, 2, 3, 4, 5 …; the longest 5\)/,
    })
  })

  test('skipped or cut off, they are counted once, by dataset; what nothing is left of is left out', () => {
    assert.deepEqual(fit('skip', rowsOf(4, 5, 9)), {
      fitted: [[1, 4]],
      events: [
        'warning: dataset: 2 of 3 rows have more than 4 tokens (lines 2, 3; the longest 9): 2 left out (on_long_rows "skip")',
      ],
      result: { long_rows: { dataset: { truncated: 0, skipped: 2 } } },
    })
    assert.deepEqual(fit('truncate', rowsOf(4, 5, 9)), {
      fitted: [[1, 4], [2, 4]],
      events: [
        'warning: dataset: 2 of 3 rows have more than 4 tokens (lines 2, 3; the longest 9): 1 cut off, 1 left out (on_long_rows "truncate")',
      ],
      result: { long_rows: { dataset: { truncated: 1, skipped: 1 } } },
    }) // prettier-ignore
    const again = fit('skip', rowsOf(4, 5), { resume: { step: 1, state: {}, folder: '' } })
    assert.deepEqual([again.events, again.result], [[], { long_rows: { dataset: { truncated: 0, skipped: 1 } } }])
  })

  test('where none is left there is nothing to go on with', () => {
    assert.throws(() => fit('skip', rowsOf(5, 9)), {
      code: 'prompt_too_long',
      message: /^dataset: 2 of 2 rows .*, and none is left to go on with; raise max_tokens \(up to 20\), or shorten/,
    })
  })
})

describe('in a job', () => {
  const { codec } = openFolder(MODEL)
  const LONG = { prompt: 'What is a great many words?', completion: 'word '.repeat(60) }
  const dataset = [...ROWS.dataset, LONG]

  test('a long row of supervised training ends the job before anything is computed, wherever it stands', async () => {
    const steps: number[] = []
    const job = runJob(sft({ steps: 1, batch_size: 1 }), {
      model: MODEL,
      rows: { dataset },
      onCheckpoint: ({ step }) => steps.push(step),
    })
    await assert.rejects(job, {
      code: 'prompt_too_long',
      message: /^dataset, line 7: prompt and completion have \d+ tokens, more than the 48 allowed; 1 of 7 rows/,
    })
    assert.deepEqual(steps, [])
  })

  test('left out, training goes on as if it had never been there; cut off, its beginning is trained', async () => {
    const run = (config: object, rows = dataset) => runJob(sft(config), { model: MODEL, rows: { dataset: rows } })
    const without = await run({}, ROWS.dataset)
    const skipped = await run({ on_long_rows: 'skip' })
    assert.deepEqual(skipped.metrics, without.metrics)
    assert.deepEqual(skipped.result, { ...without.result, long_rows: { dataset: { truncated: 0, skipped: 1 } } })
    assert.match(
      skipped.events.join('\n'),
      /1 of 7 rows has more than 48 tokens \(line 7; the longest \d+\): 1 left out/,
    )

    const cut = await run({ on_long_rows: 'truncate', batch_size: 1, steps: 1, learning_rate: 0 }, [LONG])
    const start = codec.encodeText(LONG.prompt).length
    assert.equal(cut.metrics[0]!.values.tokens, 48 - start)
    assert.deepEqual(cut.result!.long_rows, { dataset: { truncated: 1, skipped: 0 } })
    // The ids that are left are those of the text that they spell.
    const ids = codec.encodeText(LONG.prompt + LONG.completion).slice(0, 48)
    const asShort = { prompt: LONG.prompt, completion: codec.decode(ids.slice(start)) }
    const short = await run({ batch_size: 1, steps: 1, learning_rate: 0, max_tokens: 49 }, [asShort])
    assert.equal(short.metrics[0]!.values.tokens, 49 - start, 'with the end token, which what is cut off has not')
  })

  test('a prompt that is cut off keeps its end; one that is left out is never asked', async () => {
    const long = { prompt: `${'word '.repeat(60)}What is 99 + 1?` }
    const unlabelled = [...ROWS.unlabelled, long]
    const run = (config: object) =>
      runJob(job('grpo', { steps: 4, ...config }), { model: MODEL, rows: { ...ROWS, unlabelled }, judge: byLength })
    await assert.rejects(run({}), {
      code: 'prompt_too_long',
      param: 'unlabelled',
      message: /^unlabelled, line 8: the prompt has \d+ tokens, more than the 32 allowed/,
    })
    const skipped = await run({ on_long_rows: 'skip' })
    assert.ok(!skipped.samples.some(({ prompt }) => prompt.includes('99 + 1')))
    assert.deepEqual(skipped.result!.long_rows, { unlabelled: { truncated: 0, skipped: 1 } })
    const cut = await run({ on_long_rows: 'truncate', prompts_per_step: 12, steps: 2, labelled_share: 0 })
    assert.deepEqual(cut.result!.long_rows, { unlabelled: { truncated: 1, skipped: 0 } })
  })

  test('an evaluation counts them, and answers what is left', async () => {
    const rows = {
      dataset: [
        { prompt: 'word '.repeat(300), answer: '1' },
        { prompt: '2 + 3?', answer: '5' },
      ],
    }
    const spec = (config: object) => ({
      ...{ type: 'eval', model: 'm', dataset: 'd', verifier: 'math' },
      config: { max_new_tokens: 3, max_prompt_tokens: 40, ...config },
    })
    await assert.rejects(runJob(spec({}), { model: MODEL, rows }), { message: /^dataset, line 1: the prompt has \d+/ })
    const skipped = await runJob(spec({ on_long_rows: 'skip' }), { model: MODEL, rows })
    assert.deepEqual([skipped.result!.n, skipped.result!.long_rows], [1, { dataset: { truncated: 0, skipped: 1 } }])
    const cut = await runJob(spec({ on_long_rows: 'truncate' }), { model: MODEL, rows })
    assert.deepEqual([cut.result!.n, cut.result!.long_rows], [2, { dataset: { truncated: 1, skipped: 0 } }])
    assert.equal(codec.encodeText(cut.samples[0]!.prompt).length, 40)
  })
})
