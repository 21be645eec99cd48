import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { remoteJudgeClient } from '../../../src/adapters/judges/remote-judge-client.ts'
import { GavelError } from '../../../src/core/errors.ts'
import { probabilityOfYes } from '../../../src/core/judges/probability.ts'
import { judgeClientContract } from '../../contracts/judge-client.ts'
import { startProviderServer, type ProviderServer } from './provider-server.ts'
import { startWorkersAiRelay, type WorkersAiRelay } from './workers-ai-relay.ts'

let server: ProviderServer
let relay: WorkersAiRelay | undefined

before(async () => {
  server = await startProviderServer()
  relay = await startWorkersAiRelay(new URL(server.url).host)
})
after(async () => {
  await relay?.close()
  await server.close()
})

const judge = { provider: { type: 'workers_ai', model: '@cf/x' }, timeout_ms: 5000, concurrency: 8 } as const
const client = (timeout_ms = 5000) =>
  remoteJudgeClient({ ...judge, timeout_ms }, null, {
    workersAi: relay!.fetch,
    backoffMs: 2,
    rng: { uniform: () => 0.5 },
  })
const asking = (content: string) => ({ messages: [{ role: 'user' as const, content }], labels: ['Yes', 'No'] })

async function judgmentOf(text: string, timeoutMs?: number) {
  const [answer] = await client(timeoutMs).firstTokenLogprobs([asking(text)])
  if (!(answer instanceof Error)) return probabilityOfYes(answer!.logprobs, { yes: 'Yes', no: 'No' })
  assert.ok(answer instanceof GavelError && answer.code === 'judge_unreachable', answer.stack)
  return { outcome: 'failed', reason: answer.message } as const
}
const reasonOf = async (text: string, timeoutMs?: number) => {
  const judgment = await judgmentOf(text, timeoutMs)
  return judgment.outcome === 'failed' ? judgment.reason : judgment.outcome
}

judgeClientContract('workers_ai, by its binding in workerd', () => client())

test('the binding is told the model and asked for one token with its alternatives', async () => {
  const judgment = await judgmentOf('p=0.2')
  assert.ok(judgment.outcome === 'scored' && Math.abs(judgment.probability - 0.2) < 1e-9)
  const { headers, body } = server.received.at(-1)!
  assert.equal(headers['cf-consn-model-id'], '@cf/x')
  assert.deepEqual(body, {
    messages: [{ role: 'user', content: 'p=0.2' }],
    logprobs: true,
    top_logprobs: 20,
    chat_template_kwargs: { enable_thinking: false },
    max_tokens: 1,
    temperature: 0,
  })
})

test('what goes wrong is a failure with its reason, tried again only where that is sensible', async () => {
  for (const text of ['fails-twice', 'busy-once', 'hangs-up']) {
    assert.equal((await judgmentOf(text)).outcome, 'scored', text)
  }
  assert.match(await reasonOf('no-such-model'), /gave no judgment: it answered 400: No such model @cf\/x/)
  assert.match(await reasonOf('other-shape'), /not an OpenAI completion: choices/)
  assert.match(await reasonOf('no-logprobs'), /returned no log-probabilities/)
  assert.match(await reasonOf('never-answers', 100), /in 4 tries: it gave no answer within 100 ms/)
})

test('without the binding it says where there is one', () => {
  assert.throws(
    () => remoteJudgeClient(judge, null),
    (error) =>
      error instanceof GavelError && error.code === 'unavailable_here' && /has no Workers AI/.test(error.message),
  )
})
