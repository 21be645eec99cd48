/**
 * `npm run test:python`: real Python clients against a running server, with only their URL changed: OpenAI's SDK (against
 * `gavel serve`, too), the
 * decision judge of `verifiers`, TRL's GRPOTrainer with examples/trl.py, and the other recipes in Python. Needs Python 3; makes its environment once
 * (minutes), or takes the one whose interpreter GAVEL_TEST_PYTHON names.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pythonWith } from '../../scripts/python-venv.ts'
import { startModelServer } from '../../src/gpu-worker/serve/start-model-server.ts'
import { startServer } from '../../src/server.ts'
import { temporaryFolder, tinyModelFolder } from '../../testing/tiny-model-folder.ts'

const KEY = `gvl_${'c'.repeat(64)}`

if (spawnSync('python3', ['--version']).status !== 0 && !process.env.GAVEL_TEST_PYTHON) {
  console.log('Skipped: there is no python3 here.')
  process.exit(0)
}
const python = pythonWith('test/python/requirements.txt', 'test', 'GAVEL_TEST_PYTHON')

/** An endpoint whose model says Yes, or B, with the probability that stands in the text (`p=0.25`), else one half. */
const provider = createServer((request, response) => {
  void (async () => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { messages } = JSON.parse(Buffer.concat(chunks).toString()) as { messages: { content: string }[] }
    const text = messages.at(-1)!.content
    const p = Number(/p=([\d.]+)/.exec(text)?.[1] ?? 0.5)
    const [yes, no] = /one letter/.test(text) ? ['B', 'A'] : ['Yes', 'No']
    const top = [
      { token: yes, logprob: Math.log(0.9 * p) },
      { token: no, logprob: Math.log(0.9 * (1 - p)) },
      // What is left is of many, as with a real model.
      ...['C', ...Array.from({ length: 17 }, (_, i) => `other ${i}`)].map((token) => ({
        token,
        logprob: Math.log(0.1 / 18),
      })),
    ]
    const choice = { index: 0, message: { role: 'assistant', content: yes }, finish_reason: 'length' }
    const logprobs = { content: [{ ...top[0], top_logprobs: top }] }
    response.setHeader('content-type', 'application/json')
    const usage = { prompt_tokens: 11, completion_tokens: 1, total_tokens: 12 }
    response.end(JSON.stringify({ id: 'c', object: 'chat.completion', choices: [{ ...choice, logprobs }], usage }))
  })()
})
await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
const server = await startServer({
  dataDir: temporaryFolder(),
  adminKey: KEY,
  secretKey: null,
  allowPrivateUrls: true,
})

const served = await startModelServer({
  model: { type: 'path', path: tinyModelFolder() },
  hub: { cacheFolder: '/nonexistent' },
  port: 0,
  threads: 1,
})

async function create(path: string, body: object): Promise<void> {
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
  const response = await fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`)
}

try {
  const base_url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1`
  await create('/v1/judges', {
    name: 'j',
    provider: { type: 'openai', base_url, model: 'm' },
    label_token_ids: { yes: [9454], no: [2753] },
  })
  await create('/v1/recipes', { name: 'both', lambda: 1, mu: 1, verifier: 'math', judge: 'j' })
  const env = {
    ...process.env,
    GAVEL_URL: server.url,
    GAVEL_KEY: KEY,
    GAVEL_REWARD: 'both',
    GAVEL_JUDGE: 'j',
    HF_HUB_OFFLINE: '1',
    OMP_NUM_THREADS: '2',
    PYTHONWARNINGS: 'ignore',
  }
  const urls = [server.url, KEY, tinyModelFolder(), served.url]
  const child = spawn(python, [join(import.meta.dirname, 'clients.py'), ...urls], { stdio: 'inherit', env })
  process.exitCode = await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1)))
} finally {
  await server.close()
  await served.close()
  provider.close()
}
