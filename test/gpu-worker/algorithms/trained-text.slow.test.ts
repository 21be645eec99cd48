/** What a job is trained on is what its checkpoints say, and what opens them sees. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { DatasetRow } from '../../../src/core/schemas/dataset.ts'
import { openFolder } from '../../../src/gpu-worker/models/source.ts'
import { tinyModelFolder, tinyTokenizer } from '../../../testing/tiny-model-folder.ts'
import { filesOf, runJob, type JobRun } from '../../helpers/run-job.ts'

const { tokenizer, config } = tinyTokenizer()
/** In the style of models whose config and template know more ends than their tokenizer. */
const chat_template =
  "{% for m in messages %}{{ m.role + ': ' + m.content + '<pad>' }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
const generation = { eos_token_id: [1, 9], temperature: 0.6 }
const specialTokens = { pad_token: '<pad>' }
const CHAT = tinyModelFolder({
  tokenizer: { tokenizer, config: { ...config, chat_template, made_by: 'hand' }, generation, specialTokens },
})
const BASE = tinyModelFolder()

const rows: Record<string, DatasetRow[]> = {
  dataset: [1, 2, 3].map((n) => ({ prompt: `What is ${n}?`, completion: `It is ${n}.`, answer: String(n) })),
  labelled: [1, 2, 3].map((n) => ({
    messages: [
      { role: 'user', content: `What is ${n}?` },
      { role: 'assistant', content: 'GOLD' },
    ],
    answer: String(n),
  })),
}
const sft = (job: object = {}, own: object = {}) => ({
  ...{ type: 'sft', model: 'm', dataset: 'dataset', ...job },
  config: { steps: 2, batch_size: 3, max_tokens: 64, checkpoint_every: 1, ...own },
})
const evaluation = (job: object = {}) => ({
  ...{ type: 'eval', model: 'm', dataset: 'dataset', verifier: 'math', ...job },
  config: { max_new_tokens: 4, max_prompt_tokens: 64 },
})
const read = (folder: string, name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as unknown
const prompts = async (model: string, job: object = {}) =>
  (await runJob(evaluation(job), { model, rows })).samples.map(({ prompt }) => prompt)
const last = ({ checkpoints }: JobRun) => checkpoints.at(-1)!.folder

describe('a checkpoint', () => {
  test('carries on what says how a model is spoken to and when it ends, with an adapter alone, too', async () => {
    const { checkpoints } = await runJob(sft({}, { lora: { rank: 1 } }), { model: CHAT, rows })
    assert.ok(!readdirSync(checkpoints[0]!.folder).includes('model.safetensors'))
    for (const { folder } of checkpoints) {
      assert.deepEqual(read(folder, 'tokenizer.json'), tokenizer)
      assert.deepEqual(read(folder, 'tokenizer_config.json'), { ...config, chat_template, made_by: 'hand' })
      // The template's own end was in no file.
      assert.deepEqual(read(folder, 'generation_config.json'), { ...generation, eos_token_id: [1, 9, 0] })
      assert.deepEqual(read(folder, 'special_tokens_map.json'), specialTokens)
    }
  })

  test('of a job with a prompt_template is evaluated as it was trained, unasked', async () => {
    const job = { prompt_template: 'Q: {prompt}\nA: ' }
    const run = await runJob(sft(job), { model: BASE, rows })
    assert.deepEqual((await prompts(BASE))[0], 'What is 1?')
    for (const asked of [{}, job]) assert.deepEqual((await prompts(last(run), asked))[0], 'Q: What is 1?\nA: ')
    assert.match(
      run.events[0]!,
      /^a row with `prompt` is one turn of a user, in prompt_template \(prompt_format "chat"\)$/,
    )
    const { codec } = openFolder(last(run))
    assert.equal(codec.renderChat([{ role: 'user', content: 'x' }]), 'Q: x\nA: ')
  })

  test('of a job on raw text is evaluated so, unasked', async () => {
    const run = await runJob(sft({ prompt_format: 'raw' }), { model: CHAT, rows })
    assert.match(run.events[0]!, /is a text that the model goes on from as it stands \(prompt_format "raw"\)$/)
    assert.equal((await prompts(CHAT))[0], 'user: What is 1?<pad>\nassistant: ')
    assert.equal((await prompts(last(run)))[0], 'What is 1?')
    assert.equal((await prompts(last(run), { prompt_format: 'chat' }))[0], 'user: What is 1?<pad>\nassistant: ')
  })

  test('is the same, byte for byte, of a run that was stopped and gone on with', async () => {
    for (const [model, job] of [
      [BASE, sft({ prompt_template: 'Q: {prompt}\nA: ', chat_template_kwargs: { x: 1 } })],
      [CHAT, sft({ prompt_format: 'raw' })],
      [CHAT, sft({ prompt_template: '{prompt}' }, { lora: { rank: 1 } })],
    ] as const) {
      const whole = await runJob(job, { model, rows })
      const stopped = await runJob(job, { model, rows, stopAfter: 1 })
      const resumed = await runJob(job, { model, rows, resume: stopped.checkpoints.at(-1)! })
      assert.deepEqual(filesOf(resumed.checkpoints.at(-1)!), filesOf(whole.checkpoints.at(-1)!))
      assert.deepEqual(resumed.events, [], 'said once')
    }
  })
})

describe('an answer at the end of a conversation', () => {
  test('is not shown to a policy, nor in an evaluation', async () => {
    const grpo = {
      ...{
        type: 'grpo',
        model: 'm',
        data: { labelled: 'labelled' },
        reward: { lambda: 1, verifier: 'math', gate: false },
      },
      config: { steps: 1, prompts_per_step: 3, group_size: 2, max_prompt_tokens: 64, max_new_tokens: 3 },
    }
    const { samples, events } = await runJob(grpo, { model: CHAT, rows })
    assert.ok(samples.length > 0)
    for (const { prompt } of samples) assert.match(prompt, /^user: What is \d\?<pad>\nassistant: $/)
    assert.match(events[0]!, /one turn of a user, in the model's chat template \(prompt_format "chat"\)$/)
    for (const prompt of await prompts(CHAT, { dataset: 'labelled' })) assert.doesNotMatch(prompt, /GOLD/)
    const evaluated = await runJob(evaluation(), { model: CHAT, rows: { dataset: rows.labelled! } })
    assert.equal(evaluated.samples[0]!.prompt, 'user: What is 1?<pad>\nassistant: ')
  })

  test('is what supervised training trains', async () => {
    const completions = rows.labelled!.map(({ messages }) => ({ prompt: messages![0]!.content, completion: 'GOLD' }))
    const one = await runJob(sft(), { model: CHAT, rows: { dataset: rows.labelled! } })
    const other = await runJob(sft(), { model: CHAT, rows: { dataset: completions } })
    assert.deepEqual(filesOf(one.checkpoints.at(-1)!), filesOf(other.checkpoints.at(-1)!))
  })
})

describe('supervised training', () => {
  test('warns of rows whose prompt and completion share a token', async () => {
    const dataset = [
      { prompt: 'Wha', completion: 't is it?' },
      { prompt: 'x\n', completion: 'y' },
    ]
    const { events } = await runJob(sft(), { model: BASE, rows: { dataset } })
    assert.match(events[1]!, /^in 1 of 2 rows \(line 1\) the tokenizer makes one token of/)
    assert.equal((await runJob(sft(), { model: BASE, rows: { dataset: dataset.slice(1) } })).events.length, 1)
  })

  test('names the row that has a token without embedding', async () => {
    const { tokenizer: plain } = tinyTokenizer()
    const added = [...(plain.added_tokens as object[]), { id: 1024, content: '<image>', special: true }]
    const model = tinyModelFolder({ tokenizer: { tokenizer: { ...plain, added_tokens: added }, config } })
    const dataset = [
      { prompt: 'x', completion: 'y' },
      { prompt: 'see <image>', completion: 'y' },
    ]
    await assert.rejects(runJob(sft(), { model, rows: { dataset } }), {
      code: 'bad_dataset_line',
      message: /^dataset, line 2: the text has token "<image>" \(id 1024\)/,
    })
  })
})
