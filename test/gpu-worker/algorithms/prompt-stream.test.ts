import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DatasetRow } from '../../../src/core/schemas/dataset.ts'
import { jobSpec, type LeasedSpec } from '../../../src/core/schemas/job.ts'
import { parse } from '../../../src/core/schemas/parse.ts'
import { LongRows } from '../../../src/gpu-worker/algorithms/long-rows.ts'
import { PromptStream } from '../../../src/gpu-worker/algorithms/prompt-stream.ts'
import type { Prompt } from '../../../src/gpu-worker/algorithms/prompts.ts'
import type { RunContext } from '../../../src/gpu-worker/algorithms/run-context.ts'
import { readTokenizerFiles } from '../../../src/gpu-worker/text/read-tokenizer-files.ts'
import { RowCodec } from '../../../src/gpu-worker/text/row-codec.ts'
import { TextCodec } from '../../../src/gpu-worker/text/text-codec.ts'
import { job, MODEL } from '../../helpers/small-jobs.ts'

const codec = new TextCodec(readTokenizerFiles(MODEL))
const SIX: DatasetRow[] = [1, 2, 3, 4, 5, 6].map((n) => ({ prompt: `${n} + 1?`, answer: `${n + 1}` }))
const BOTH = { labelled: SIX, unlabelled: SIX }

function open(rows: Record<string, DatasetRow[]>, config: object = {}, { saved, reward }: Partial<Open> = {}) {
  const { reward: recipe, ...rest } = job('grpo', config)
  const data = Object.fromEntries(Object.keys(rows).map((role) => [role, role]))
  const spec = parse(jobSpec, { ...rest, data, reward: { ...recipe, ...reward } }) as LeasedSpec<'grpo'>
  const context = {
    rows: (role: string) => rows[role]!.map((row, i) => ({ line: i + 1, row })),
  } as Partial<RunContext> as RunContext
  const prompted = { ...spec, config: { ...spec.config, max_prompt_tokens: 32, max_new_tokens: 6 } }
  const long = new LongRows('error', 64, context)
  return new PromptStream(prompted, context, new RowCodec(codec, spec), long, saved)
}
interface Open {
  saved: unknown
  reward: object
}
const lines = (prompts: readonly Prompt[], role: string) =>
  prompts.filter((prompt) => prompt.role === role).map(({ line }) => line)

describe('PromptStream', () => {
  test("shares a step's prompts between the datasets, or gives all of them to the only one", () => {
    const quota = (rows: Record<string, DatasetRow[]>, config: object) => {
      const { labelled, unlabelled } = open(rows, { prompts_per_step: 10, ...config }).quota
      return [labelled, unlabelled]
    }
    assert.deepEqual(quota(BOTH, {}), [5, 5])
    assert.deepEqual(quota(BOTH, { labelled_share: 0.3 }), [3, 7])
    assert.deepEqual(quota(BOTH, { labelled_share: 0.26 }), [3, 7], 'to the nearest whole number')
    assert.deepEqual(quota(BOTH, { labelled_share: 0 }), [0, 10])
    assert.deepEqual(quota({ labelled: SIX }, { labelled_share: 0.3 }), [10, 0])
    assert.deepEqual(quota({ unlabelled: SIX }, { labelled_share: 0.3 }), [0, 10])
  })

  test('takes so many of each, labelled ones first; gold of unlabelled rows is not looked at', () => {
    const taken = open(BOTH).take({ labelled: 2, unlabelled: 3 })
    assert.deepEqual(
      taken.map(({ role }) => role),
      ['labelled', 'labelled', 'unlabelled', 'unlabelled', 'unlabelled'],
    )
    for (const { role, line, text, question, answer } of taken) {
      assert.deepEqual([text, question], [`${line} + 1?`, `${line} + 1?`])
      assert.equal(answer, role === 'labelled' ? `${line + 1}` : undefined)
    }
  })

  test('goes over every row before one comes again, in an order that role and seed decide', () => {
    const pass = (config: object) => {
      const taken = open(BOTH, config).take({ labelled: 6, unlabelled: 6 })
      return [lines(taken, 'labelled'), lines(taken, 'unlabelled')] as const
    }
    const [labelled, unlabelled] = pass({ seed: 3 })
    for (const all of [labelled, unlabelled]) assert.deepEqual([...all].sort(), [1, 2, 3, 4, 5, 6])
    assert.notDeepEqual(labelled, unlabelled)
    assert.deepEqual(pass({ seed: 3 }), [labelled, unlabelled])
    const [otherLabelled, otherUnlabelled] = pass({ seed: 4 })
    assert.notDeepEqual(otherLabelled, labelled)
    assert.notDeepEqual(otherUnlabelled, unlabelled)
  })

  test('goes on from where it was saved, each dataset at its own place', () => {
    const whole = open(BOTH)
    const first = open(BOTH)
    whole.take({ labelled: 2, unlabelled: 7 })
    first.take({ labelled: 2, unlabelled: 7 })
    const saved = first.state()
    assert.deepEqual(saved, { labelled: { epoch: 0, position: 2 }, unlabelled: { epoch: 1, position: 1 } })
    const next = { labelled: 5, unlabelled: 2 }
    assert.deepEqual(open(BOTH, {}, { saved }).take(next), whole.take(next))
    assert.deepEqual(Object.keys(open({ unlabelled: SIX }).state()), ['unlabelled'])
  })

  test('what is missing of a step is counted by dataset', () => {
    const stream = open(BOTH, { prompts_per_step: 10, labelled_share: 0.4 })
    const had = stream.take({ labelled: 1, unlabelled: 4 })
    assert.deepEqual(stream.missing(had), { labelled: 3, unlabelled: 2 })
    assert.deepEqual(stream.missing([]), { labelled: 4, unlabelled: 6 })
  })

  test('labelled gold must be what the verifier can compare; unlabelled rows may hold anything', () => {
    const bad: DatasetRow[] = [{ prompt: 'What?', answer: 'no number at all?' }]
    const reward = { verifier: 'math', lambda: 1, mu: 0 }
    assert.throws(() => open({ labelled: bad }, {}, { reward }), { code: 'bad_dataset_line', param: 'labelled' })
    open({ unlabelled: bad }, {}, { reward })
    open({ labelled: bad })
  })
})
