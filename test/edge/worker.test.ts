import { createExecutionContext, createScheduledController, waitOnExecutionContext } from 'cloudflare:test'
import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'vitest'
import { remoteJudgeClient } from '../../src/adapters/judges/remote-judge-client.ts'
import worker, { depsFrom } from '../../src/cloudflare.ts'
import { GavelError } from '../../src/core/errors.ts'
import type { Judge } from '../../src/core/schemas/judge.ts'
import { sftJob } from '../contracts/api.ts'
import { bindings, emptied } from './edge-app.ts'

const call = async (path: string, init?: RequestInit) => {
  const context = createExecutionContext()
  const headers = { authorization: 'Bearer admin-key', 'content-type': 'application/json', ...init?.headers }
  const request = new Request(`https://gavel.test${path}`, { ...init, headers }) as Parameters<typeof worker.fetch>[0]
  const response = await worker.fetch(request, bindings, context)
  await waitOnExecutionContext(context)
  return response
}
const post = async <T>(path: string, body: unknown, headers = {}) => {
  const init = { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers }
  return (await (await call(path, init)).json()) as T
}

describe('the Worker', () => {
  beforeEach(async () => {
    await emptied()
  })

  test('answers from its bindings', async () => {
    assert.deepEqual(await (await call('/readyz')).json(), { status: 'ok' })
    assert.equal((await call('/v1/jobs')).status, 200)
    assert.equal((await call('/v1/jobs', { headers: { authorization: 'Bearer other' } })).status, 401)
  })

  test('without GAVEL_SECRET_KEY it refuses secrets, and a local judge is asked elsewhere', async () => {
    const openai = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm', api_key: 'sk' }
    type Failed = { error: { code: string } }
    assert.equal((await post<Failed>('/v1/judges', { provider: openai })).error.code, 'unavailable_here')
    await post('/v1/models', { name: 'm', source: { type: 'hub', repo: 'a/b' } })
    await post('/v1/judges', { name: 'j', provider: { type: 'local', model: 'm' } })
    const items = [{ question: 'q', answer: 'a' }]
    assert.equal((await post<Failed>('/v1/judgments', { judge: 'j', items })).error.code, 'unavailable_here')
  })

  test('a judge of Workers AI is asked through the binding, where there is one', async () => {
    const judge: Judge = await post('/v1/judges', { provider: { type: 'workers_ai', model: '@cf/a/b' } })
    const ask = async (env: typeof bindings) => (await depsFrom(env)).judgeClient(judge, null, null)
    await assert.rejects(
      ask(bindings),
      (error: unknown) => error instanceof GavelError && error.code === 'unavailable_here',
    )
    const models: string[] = []
    const AI = {
      async run(model: string) {
        models.push(model)
        const top_logprobs = [{ token: 'Yes', logprob: -1 }, { token: 'No', logprob: -2 }] // prettier-ignore
        return Response.json({ choices: [{ logprobs: { content: [{ ...top_logprobs[0], top_logprobs }] } }] })
      },
    }
    const client = await ask({ ...bindings, AI: AI as unknown as Ai })
    const messages = [{ role: 'user' as const, content: 'q' }]
    const [answer] = await client.firstTokenLogprobs([{ messages, labels: ['Yes', 'No'] }])
    assert.ok(answer && !(answer instanceof Error))
    assert.equal(answer.logprobs[1]!.logprob, -2)
    assert.deepEqual(models, ['@cf/a/b'])
  })

  test('a judge of Hugging Face is asked with its own client, without what makes code snippets', async () => {
    const urls: string[] = []
    const top_logprobs = [{ token: 'Yes', logprob: -1 }, { token: 'No', logprob: -2 }] // prettier-ignore
    const provider = { type: 'huggingface', model: 'a/b', has_api_key: true } as const
    const client = remoteJudgeClient({ provider, timeout_ms: 1000, concurrency: 1 }, 'hf_key', {
      async fetch(input) {
        urls.push(String(input))
        const choice = { index: 0, logprobs: { content: [{ ...top_logprobs[0], top_logprobs }] } }
        const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
        return Response.json({ id: 'x', created: 1, model: 'a/b', system_fingerprint: '', choices: [choice], usage })
      },
    })
    const messages = [{ role: 'user' as const, content: 'q' }]
    const [answer] = await client.firstTokenLogprobs([{ messages, labels: ['Yes', 'No'] }])
    assert.ok(!(answer instanceof Error), String(answer))
    assert.deepEqual(urls, ['https://router.huggingface.co/v1/chat/completions'])
  })

  test('what a request used is in D1 once it is answered', async () => {
    await post('/v1/verify', { verifier: 'math', items: [{ text: '5', gold: '5' }] })
    const row = await bindings.DATABASE.prepare('SELECT items FROM usage').first<{ items: number }>()
    assert.equal(row?.items, 1)
    type Failed = { error: { code: string } }
    assert.equal(((await (await call('/metrics')).json()) as Failed).error.code, 'unavailable_here')
  })

  test('its clock settles jobs whose worker fell silent', async () => {
    const rows = '{"prompt":"a","completion":"b"}'
    const { id } = await post<{ id: string }>('/v1/datasets', rows, { 'content-type': 'application/jsonl' })
    await post('/v1/models', { name: 'student', source: { type: 'hub', repo: 'a/b' } })
    const job = await post<{ id: string }>('/v1/jobs', sftJob(id))
    await post('/v1/worker/lease', { worker: 'w' })
    await post(`/v1/jobs/${job.id}/cancel`, {})
    await bindings.DATABASE.prepare('UPDATE jobs SET lease_expires_at = 1').run()
    await worker.scheduled(createScheduledController({ scheduledTime: new Date() }), bindings)
    assert.equal(((await (await call(`/v1/jobs/${job.id}`)).json()) as { state: string }).state, 'cancelled')
  })
})
