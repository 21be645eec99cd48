/**
 * Part of `npm run test:python`: what is trained is what is served. A base model with a `prompt_template`, a chat model with a
 * template of each style, and a GGUF are trained until their answers end; their checkpoints are evaluated, served and asked with OpenAI's SDK,
 * and asked by transformers with `apply_chat_template` and `generate`: the same prompts and answers, token for token, greedily.
 */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import OpenAI from 'openai'
import { pythonWith } from '../../scripts/python-venv.ts'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { elementCount } from '../../src/gpu-worker/graph/tensor.ts'
import { modelFromConfig } from '../../src/gpu-worker/models/index.ts'
import { openPath, saveFolder } from '../../src/gpu-worker/models/source.ts'
import { startModelServer } from '../../src/gpu-worker/serve/start-model-server.ts'
import { TextCodec, type ChatMessage, type TokenizerFiles } from '../../src/gpu-worker/text/text-codec.ts'
import { readGguf } from '../../src/gpu-worker/weights/gguf.ts'
import { temporaryFolder, tinyModelFolder } from '../../testing/tiny-model-folder.ts'
import { f32Tensor, writeGguf, type GgufMetadata } from '../../testing/write-gguf.ts'
import { runJob } from '../helpers/run-job.ts'

if (spawnSync('python3', ['--version']).status !== 0 && !process.env.GAVEL_TEST_PYTHON) {
  console.log('Skipped: there is no python3 here.')
  process.exit(0)
}
const python = pythonWith('test/python/requirements.txt', 'test', 'GAVEL_TEST_PYTHON')
const NEW_TOKENS = 12
const FIXTURES = new URL('../fixtures/', import.meta.url)
const { kinds } = JSON.parse(readFileSync(new URL('chat/tokenizers.json', FIXTURES), 'utf8')) as {
  kinds: Record<string, { files: TokenizerFiles }>
}
const QUESTIONS = ['What is 2+3?', 'Tom has 12 apples.', ' it is\n', 'né 👍']
const ROWS = QUESTIONS.map((prompt, i) => ({ prompt, completion: ` It is ${i}.`, answer: String(i) }))
const conversations: ChatMessage[][] = [
  ...QUESTIONS.map((content) => [{ role: 'user' as const, content }]),
  [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'What is 2+3?' },
    { role: 'assistant', content: '5' },
    { role: 'user', content: 'And 3+4?' },
  ],
]

/** A model of noise for a tokenizer. */
function chatModel(tokenizer: TokenizerFiles): string {
  const folder = join(temporaryFolder(), 'chat')
  const config = {
    ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', vocab_size: new TextCodec(tokenizer).size },
    ...{ hidden_size: 48, intermediate_size: 96, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2 },
    ...{
      max_position_embeddings: 256,
      rms_norm_eps: 1e-5,
      rope_theta: 10000,
      hidden_act: 'silu',
      tie_word_embeddings: false,
    },
    ...{ head_dim: 12, attention_bias: false, mlp_bias: false, eos_token_id: null, bos_token_id: null },
  }
  const rng = new SeededRng(1, 'round trip')
  const weights = new Map(
    [...modelFromConfig(config).parameters].map(([name, shape]) => {
      const wide = shape.length > 1 ? 3 / Math.sqrt(shape.at(-1)!) : 0
      const data = Float32Array.from({ length: elementCount(shape) }, () => (wide ? wide * (rng.uniform() - 0.5) : 1))
      return [name, { shape, data }]
    }),
  )
  saveFolder(folder, { config, floats: new Set(['rope_theta']), weights, tokenizer, dtype: 'F32' })
  return folder
}

function ggufModel(): string {
  const { metadata, tensors } = readGguf(fileURLToPath(new URL('gguf/llama.gguf', FIXTURES)))
  const path = join(temporaryFolder(), 'chat.gguf')
  const chat_template = "{{ bos_token }}{% for m in messages %}{{ m['role'] + ':' + m['content'] + unk_token }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}" // prettier-ignore
  const more = { 'tokenizer.chat_template': chat_template, 'tokenizer.ggml.eot_token_id': 1, 'tokenizer.ggml.unknown_token_id': 1 } // prettier-ignore
  const all = { ...(Object.fromEntries(metadata) as GgufMetadata), ...more, 'tokenizer.ggml.add_bos_token': true }
  writeGguf(
    path,
    all,
    Object.fromEntries([...tensors].map(([name, { shape, data }]) => [name, f32Tensor(shape, data)])),
  )
  return path
}

interface Case {
  model: string
  job?: Record<string, unknown>
  config?: Record<string, unknown>
}
const CASES: Record<string, Case> = {
  'a base model with a prompt_template': { model: tinyModelFolder(), job: { prompt_template: 'Q: {prompt}\nA:' } },
  'the same, by LoRA': {
    model: tinyModelFolder(),
    job: { prompt_template: "Q: '{prompt}'\\\n\nA:" },
    config: { lora: { rank: 2 } },
  },
  ...Object.fromEntries(Object.entries(kinds).map(([style, { files }]) => [style, { model: chatModel(files) }])),
  'mistral with a prompt_template': {
    model: chatModel(kinds.mistral!.files),
    job: { prompt_template: 'Q: {prompt} A:' },
  },
  'chatml, told something': {
    model: chatModel({ ...kinds.chatml!.files, config: { ...kinds.chatml!.files.config, chat_template: '{% if not thinks %}no {% endif %}{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}' } }), // prettier-ignore
    job: { chat_template_kwargs: { thinks: true } },
  },
  'a GGUF': { model: ggufModel() },
}

interface Answer {
  prompt: number[]
  ids: number[]
  text: string
}

type Served = Omit<Answer, 'ids'> & { tokens: string[] }

/** What a checkpoint's server says, and what an evaluation of it, by question. */
async function served(folder: string): Promise<{ chat: Served[]; evaluated: string[] }> {
  const server = await startModelServer({
    model: { type: 'path', path: folder },
    hub: { cacheFolder: temporaryFolder(), offline: true },
    port: 0,
    threads: 1,
  })
  try {
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none' })
    const chat = []
    for (const messages of conversations) {
      const { choices, usage } = await client.chat.completions.create({
        ...{ model: server.model, messages, temperature: 0, max_tokens: NEW_TOKENS, logprobs: true },
      })
      const tokens = choices[0]!.logprobs!.content!.map(({ token }) => token)
      chat.push({ prompt: Array<number>(usage!.prompt_tokens), text: choices[0]!.message.content!, tokens })
    }
    const config = { max_new_tokens: NEW_TOKENS, max_prompt_tokens: 64 }
    const spec = { type: 'eval', model: 'm', dataset: 'dataset', verifier: 'math', config }
    const { samples } = await runJob(spec, { model: folder, rows: { dataset: ROWS } })
    return { chat, evaluated: samples.map(({ completion }) => completion) }
  } finally {
    await server.close()
  }
}

const only = process.argv[2]
const names = Object.keys(CASES).filter((name) => !only || name.includes(only))
const folders: string[] = []
for (const name of names) {
  const { model, job, config } = CASES[name]!
  const spec = { type: 'sft', model: 'm', dataset: 'dataset', ...job }
  const settings = { steps: 30, batch_size: 4, max_tokens: 128, learning_rate: 5e-3, ...config }
  const { checkpoints } = await runJob({ ...spec, config: settings }, { model, rows: { dataset: ROWS } })
  const { folder } = checkpoints.at(-1)!
  // `gavel jobs download` puts an adapter into a folder of its own.
  for (const file of readdirSync(folder)) if (file.startsWith('adapter_')) rmSync(join(folder, file))
  writeFileSync(join(folder, 'conversations.json'), JSON.stringify(conversations))
  folders.push(folder)
}
const env = { ...process.env, HF_HUB_OFFLINE: '1', HF_HUB_DISABLE_PROGRESS_BARS: '1', OMP_NUM_THREADS: '1', TRANSFORMERS_VERBOSITY: 'error' } // prettier-ignore
const script = fileURLToPath(new URL('round_trip.py', import.meta.url))
const { stdout } = await promisify(execFile)(python, [script, String(NEW_TOKENS), ...folders], {
  env,
  maxBuffer: 2 ** 26,
})
const expected = JSON.parse(stdout) as Answer[][]

for (const [i, folder] of folders.entries()) {
  const { codec } = openPath(folder)
  const { chat, evaluated } = await served(folder)
  for (const [j, answer] of expected[i]!.entries()) {
    const where = `${names[i]}, conversation ${j + 1}`
    assert.deepEqual(codec.encodeChat(conversations[j]!), answer.prompt, where)
    assert.equal(chat[j]!.prompt.length, answer.prompt.length, where)
    // As many tokens; what each adds to the text depends on those before it, so that they are compared joined.
    assert.equal(chat[j]!.tokens.length, answer.ids.length, where)
    // Of bytes that are no characters, `tokenizers` shows none of the characters beside them either.
    if (answer.text.includes('\ufffd')) continue
    assert.equal(chat[j]!.text, answer.text, where)
    assert.equal(chat[j]!.tokens.join(''), answer.text, `${where}, token by token`)
    if (j < evaluated.length) assert.equal(evaluated[j], answer.text, `${where}, evaluated`)
  }
  const ended = expected[i]!.filter(({ ids }) => codec.stopIds.includes(ids.at(-1)!)).length
  console.log(`ok   ${names[i]}: ${expected[i]!.length} answers are the same, ${ended} of them ended`)
}
process.exit(0)
