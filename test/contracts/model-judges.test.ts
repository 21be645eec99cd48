/** Judges that are models of our own: here, in a process of their own, and behind `gavel serve` as any provider. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { remoteJudgeClient } from '../../src/adapters/judges/remote-judge-client.ts'
import { folderBlobStore } from '../../src/adapters/node/folder-blob-store.ts'
import type { JudgeClient } from '../../src/core/ports.ts'
import type { Judge } from '../../src/core/schemas/judge.ts'
import { localJudgeClient } from '../../src/gpu-worker/judge/local-judge-client.ts'
import { localJudgeHost } from '../../src/gpu-worker/judge/local-judge-host.ts'
import { openFolder } from '../../src/gpu-worker/models/source.ts'
import { startModelServer } from '../../src/gpu-worker/serve/start-model-server.ts'
import { temporaryFolder, tinyModelFolder } from '../../testing/tiny-model-folder.ts'
import { judgeClientContract } from './judge-client.ts'

const path = tinyModelFolder()
const hub = { cacheFolder: '/nonexistent' }
const labels = { yes: 'Yes', no: 'No' }
const KEY = 'secret'

const server = await startModelServer({ model: { type: 'path', path }, hub, port: 0, threads: 1, apiKey: KEY })
after(() => server.close())

const behindServer = (provider: Judge['provider']) =>
  remoteJudgeClient({ provider, timeout_ms: 20_000, concurrency: 8 }, KEY)
const base = { base_url: `${server.url}/v1`, model: server.model, has_api_key: true }

const CLIENTS: Record<string, () => Promise<JudgeClient> | JudgeClient> = {
  'model here': () => localJudgeClient(openFolder(path), { threads: 1 }),
  'model in its own process': () =>
    localJudgeHost(
      {
        id: 'judge_1',
        version: 1,
        template: 'answer-correctness',
        labels,
        min_label_mass: 0.5,
        model: { type: 'local', path },
      },
      folderBlobStore(temporaryFolder()),
      { roots: [path], hub, threads: 1 },
    ),
  'served, chat': () => behindServer({ type: 'openai', ...base, api: 'chat' }),
  'served, completions': () => behindServer({ type: 'openai', ...base, api: 'completions' }),
  'served, as a Hugging Face endpoint': () =>
    behindServer({ type: 'huggingface', model: server.model, endpoint_url: server.url, has_api_key: true }),
}

for (const [name, create] of Object.entries(CLIENTS)) judgeClientContract(name, create)

test('all of them give a token the same probability', async () => {
  const messages = [{ role: 'user' as const, content: 'Sam has 12 apples. He buys 30 more. 12 + 30 = 42\n' }]
  // Random weights mean nothing by Yes: the likeliest words stand for the labels.
  const [listed] = await (await CLIENTS['served, chat']!()).firstTokenLogprobs([{ messages, labels: ['Yes', 'No'] }])
  if (listed instanceof Error) throw listed
  const words = listed!.logprobs.filter(({ token }) => /^ ?[A-Za-z]+$/.test(token)).slice(0, 2)
  assert.equal(words.length, 2)
  for (const [name, create] of Object.entries(CLIENTS)) {
    const request = { messages, labels: words.map(({ token }) => token.trim()) }
    const [answer] = await (await create()).firstTokenLogprobs([request])
    if (answer instanceof Error) throw answer
    for (const { token, logprob } of words) {
      const own = answer!.logprobs.find((entry) => entry.token.replace('Ġ', ' ') === token)
      assert.ok(own && Math.abs(own.logprob - logprob) < 1e-3, `${name}: ${token} ${own?.logprob} ${logprob}`)
    }
  }
})
