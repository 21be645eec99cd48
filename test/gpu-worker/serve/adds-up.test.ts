import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { openPath } from '../../../src/gpu-worker/models/source.ts'
import { ModelService } from '../../../src/gpu-worker/serve/model-service.ts'
import type { GenerationPart } from '../../../src/gpu-worker/serve/generation.ts'
import { parseCompletion } from '../../../src/gpu-worker/serve/openai-requests.ts'
import { tinyModelFolder, tinyTokenizer } from '../../../testing/tiny-model-folder.ts'

const folder = new URL('../../fixtures/token-texts/', import.meta.url)
const PROMPTS = [
  'Tom has 12 apples',
  ' 日本 🍎',
  '<|im_start|>user\nhi',
  'e\u0301 \ufeff\ud83d\udc69\u200d\ud83d\udc69',
]

/** Tokenizers that keep every text as it is. */
const LOSSLESS = ['the demo’s', 'byte-level.json']

const tokenizers: [name: string, tokenizer: ReturnType<typeof tinyTokenizer>][] = [
  ['the demo’s', tinyTokenizer()],
  ...readdirSync(folder).map((file): [string, ReturnType<typeof tinyTokenizer>] => {
    const { tokenizer } = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as {
      tokenizer: Record<string, unknown>
    }
    return [file, { tokenizer, config: {} }]
  }),
]

for (const [name, tokenizer] of tokenizers) {
  test(`${name}: tokens, bytes and parts add up to the text, whatever is asked`, async () => {
    const opened = openPath(tinyModelFolder({ tokenizer }))
    const service = await ModelService.create(opened, { threads: 1, context: 64 })
    const asks = [
      { logprobs: 3, max_tokens: 24 },
      { logprobs: 2, max_tokens: 20, echo: true, skip_special_tokens: false, ignore_eos: true },
      { logprobs: 0, max_tokens: 20, stop: ['e', 'a', '\ufffd'], n: 2 },
      { logprobs: 0, max_tokens: 20, stop: ['e', ' a'], include_stop_str_in_output: true, min_tokens: 3 },
    ]
    for (const [i, ask] of asks.entries()) {
      for (const prompt of PROMPTS) {
        const body = { model: 'm', prompt, seed: i, temperature: 2, ...ask }
        const { generations } = parseCompletion(body, () => 'never')
        const parts: GenerationPart[] = []
        const emit = (part: GenerationPart) => parts.push(part)
        const { signal } = new AbortController()
        const usage = await service.generate(generations[0]!, { emit, signal })
        for (const { text, tokens } of parts) assert.equal(tokens.map((token) => token.text).join(''), text)
        const first = parts.filter(({ choice }) => choice === 0)
        const tokens = first.flatMap((part) => part.tokens)
        const text = first.map((part) => part.text).join('')
        const bytes = Buffer.from(tokens.flatMap((token) => token.bytes))
        assert.equal(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes), text)
        if (!text.includes('\ufffd')) assert.deepEqual(bytes, Buffer.from(text))
        assert.notEqual(first.at(-1)!.finish, null)
        const count = parts.reduce((sum, part) => sum + part.tokens.length, 0)
        assert.equal(count, usage.completionTokens + ('echo' in ask ? usage.promptTokens : 0))
        if ('echo' in ask && LOSSLESS.includes(name)) assert.ok(text.startsWith(prompt))
      }
    }
  })
}
