import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { math } from '../../../src/core/verifiers/math/index.ts'
import { answerEnds, promptOf, questionOf, supervisedRow } from '../../../src/gpu-worker/algorithms/prompts.ts'
import type { RunContext } from '../../../src/gpu-worker/algorithms/run-context.ts'
import { readTokenizerFiles } from '../../../src/gpu-worker/text/read-tokenizer-files.ts'
import { RowCodec } from '../../../src/gpu-worker/text/row-codec.ts'
import { TextCodec } from '../../../src/gpu-worker/text/text-codec.ts'
import { tinyModelFolder } from '../../../testing/tiny-model-folder.ts'

const files = readTokenizerFiles(tinyModelFolder())
const codec = new TextCodec(files)
const rowsOf = (own: TextCodec) => new RowCodec(own, { prompt_template: 'Q: {prompt}\nA:' })
const options = { rows: rowsOf(codec), role: 'labelled' }

describe('promptOf', () => {
  test('puts the prompt into the template as it stands, and asks the judge without it', () => {
    const { text, ids, question, answer } = promptOf(
      { line: 1, row: { prompt: 'a $& {prompt}', answer: '5' } },
      options,
    )
    assert.equal(text, 'Q: a $& {prompt}\nA:')
    assert.deepEqual(ids, codec.encode(text))
    assert.deepEqual([question, answer], ['a $& {prompt}', '5'])
  })

  test('a conversation goes through the chat template; its last question is what the judge is told', () => {
    const messages = [
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'two' },
      { role: 'user', content: 'three' },
    ] as const
    const { text, question } = promptOf({ line: 1, row: { messages: [...messages] } }, options)
    assert.equal(text, 'Q: one\nA:two<eos>Q: three\nA:')
    assert.equal(question, 'three')
  })

  test('a prompt of nothing is named so too, whatever it is to be trained for', () => {
    const bare = new TextCodec({ ...files, config: { ...files.config, chat_template: null } })
    const row = { messages: [{ role: 'user' as const, content: '' }], completion: '5' }
    const expected = { code: 'bad_dataset_line', message: 'labelled, line 3: the prompt is empty; give it some text' }
    assert.throws(() => promptOf({ line: 3, row }, { ...options, rows: new RowCodec(bare, {}) }), expected)
    assert.throws(() => supervisedRow({ line: 3, row }, { ...options, rows: new RowCodec(bare, {}) }), expected)
  })

  test('gold that the verifier cannot compare is named so too, and only where one is to compare it', () => {
    const numbered = { line: 4, row: { prompt: 'Why?', answer: 'because it is so' } }
    assert.throws(() => promptOf(numbered, { ...options, verifier: math }), {
      code: 'bad_dataset_line',
      message: /^labelled, line 4: The gold answer "because it is so" holds no answer/,
    })
    assert.equal(promptOf(numbered, options).answer, 'because it is so')
    assert.equal(promptOf({ line: 4, row: { prompt: 'Why?' } }, { ...options, verifier: math }).answer, undefined)
  })

  test('messages that the chat template refuses are named so too', () => {
    const strict = new TextCodec({
      ...files,
      config: { ...files.config, chat_template: "{{ raise_exception('no') }}" },
    })
    const row = { messages: [{ role: 'user' as const, content: 'x' }] }
    assert.throws(() => promptOf({ line: 2, row }, { ...options, rows: new RowCodec(strict, {}) }), {
      code: 'bad_dataset_line',
      message: /^labelled, line 2: the model's chat template refuses/,
    })
  })
})

describe('promptOf at its edges', () => {
  test('says where a prompt is from, and takes gold of null for none', () => {
    const prompt = promptOf({ line: 9, row: { prompt: 'x', answer: null } }, { ...options, verifier: math })
    assert.deepEqual([prompt.role, prompt.line, prompt.answer], ['labelled', 9, undefined])
  })

  test('what breaks in the verifier itself is not laid on the row', () => {
    const broken = {
      ...math,
      checkGold: () => {
        throw new TypeError('no verifier')
      },
    }
    const row = { prompt: 'x', answer: '5' }
    assert.throws(() => promptOf({ line: 1, row }, { ...options, verifier: broken }), TypeError)
  })
})

describe('questionOf', () => {
  test('a conversation’s question is the last message of the user, whoever speaks after; without one it is empty', () => {
    const [system, user, assistant] = (['system', 'user', 'assistant'] as const).map((role) => ({ role, content: role })) // prettier-ignore
    assert.equal(questionOf({ messages: [system!, user!, assistant!] }), 'user')
    assert.equal(questionOf({ messages: [system!] }), '')
    assert.equal(questionOf({ prompt: 'asked', messages: [user!] }), 'asked')
  })
})

describe('answerEnds', () => {
  const ends = (own: TextCodec, resume: RunContext['resume'] = null) => {
    const events: string[] = []
    const event = (level: string, message: string) => void events.push(`${level}: ${message}`)
    return { ids: answerEnds(own, { event, resume } as RunContext), events }
  }

  test('a tokenizer’s own ends end an answer, without a word', () => {
    assert.ok(codec.stopIds.length > 0)
    assert.deepEqual(ends(codec), { ids: codec.stopIds, events: [] })
  })

  test('where there are none, a job says so once: not again when it goes on', () => {
    const endless = new TextCodec({ ...files, config: { ...files.config, eos_token: '<nothing>' } })
    const { ids, events } = ends(endless)
    assert.deepEqual([ids, events.length], [[], 1])
    assert.match(events[0]!, /^warning: the model names no token that ends a text/)
    assert.deepEqual(ends(endless, { step: 1, state: {}, folder: '' }), { ids: [], events: [] })
  })
})

describe('supervisedRow', () => {
  test('of a row without completion trains the token that ends it alone', () => {
    const { ids, start, line } = supervisedRow({ line: 6, row: { prompt: 'x' } }, options)
    assert.deepEqual([ids.slice(start), line], [[codec.endId], 6])
  })

  test('trains the completion and the token that ends it', () => {
    const { ids, start } = supervisedRow({ line: 1, row: { prompt: '2+3?', completion: '5' } }, options)
    const prompt = codec.encode('Q: 2+3?\nA:')
    assert.deepEqual(ids, [...prompt, ...codec.encode('5'), codec.endId])
    assert.equal(start, prompt.length)
  })
})
