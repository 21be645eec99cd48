import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { rerankJudgeClient, type RerankOptions } from '../../../src/adapters/judges/rerank.ts'
import { probabilityOfYes } from '../../../src/core/judges/probability.ts'
import { startServer, type RunningServer } from '../../../src/server.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProviderServer, type ProviderServer } from './provider-server.ts'

const received: { url: string; authorization: string | undefined; body: Record<string, unknown> }[] = []
/** Answers what the document says it should. */
const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, string[]>
    received.push({ url: request.url!, authorization: request.headers.authorization, body })
    response.setHeader('content-type', 'application/json').end((body.documents ?? body.texts)![0])
  })
})
let baseUrl: string
before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`
})
after(() => void server.close())

async function rerank(answer: unknown, options: Partial<RerankOptions> = {}) {
  const client = rerankJudgeClient({
    baseUrl, model: null, dialect: 'jina', rawScores: false, apiKey: 'sk', timeoutMs: 5000, concurrency: 4, ...options,
  }) // prettier-ignore
  const labels = { yes: 'Yes', no: 'No' }
  const messages = [
    { role: 'system' as const, content: 'the question' },
    { role: 'user' as const, content: JSON.stringify(answer) },
  ]
  const [result] = await client.firstTokenLogprobs([{ messages, labels: [labels.yes, labels.no] }])
  return result instanceof Error
    ? result.message
    : { ...probabilityOfYes(result!.logprobs, labels), usage: result!.usage }
}
const scored = (value: unknown, probability: number, tokens = 0) => {
  const { outcome, usage, ...rest } = value as {
    outcome: string
    usage: object
    probability: number
    labelMass: number
  }
  assert.deepEqual([outcome, usage], ['scored', { promptTokens: tokens, completionTokens: 0 }])
  assert.ok(
    Math.abs(rest.probability - probability) < 1e-12 && Math.abs(rest.labelMass - 1) < 1e-12,
    `${rest.probability}`,
  )
}

test('asks as Jina, Cohere and vLLM are asked, and as TEI is; reads what each answers', async () => {
  const jina = { results: [{ index: 0, relevance_score: 0.25, document: { text: 'x' } }], usage: { total_tokens: 7 } }
  scored(await rerank(jina, { model: 'bge' }), 0.25, 7)
  scored(await rerank([{ index: 0, score: 0.75, text: 'x' }], { dialect: 'tei' }), 0.75)
  scored(await rerank([{ score: 0.5, index: 0, document: 'x', meta_info: {} }]), 0.5)
  scored(await rerank({ results: [{ index: 0, relevance_score: 1 }] }), 1)
  scored(await rerank({ results: [{ index: 0, relevance_score: 0 }] }), 0)
  const [asJina, asTei] = received
  assert.deepEqual([asJina!.url, asJina!.authorization], ['/v1/rerank', 'Bearer sk'])
  assert.deepEqual(asJina!.body, { model: 'bge', query: 'the question', documents: [JSON.stringify(jina)] })
  assert.deepEqual(Object.keys(asTei!.body), ['query', 'texts', 'truncate'])
})

test('log-odds become probabilities where that is said, and are refused where it is not', async () => {
  const raw = { results: [{ index: 0, relevance_score: 2 }] }
  // σ(2), to sixteen digits.
  scored(await rerank(raw, { rawScores: true }), 0.8807970779778823)
  assert.match((await rerank(raw)) as string, /its score 2 is not within 0 and 1; set raw_scores/)
  assert.match((await rerank({ results: [{ index: 0, relevance_score: -0.1 }] })) as string, /not within 0 and 1/)
})

test('what is no ranking of one document is a failure with a reason', async () => {
  const broken = [{}, [], { results: [] }, { results: [{ index: 1, score: 0.5 }] }, [{ index: 0, score: 'high' }], null]
  for (const answer of broken) assert.match((await rerank(answer)) as string, /no ranking of one document/)
  assert.match((await rerank([{ index: 0 }])) as string, /its answer has no score/)
})

test('our own rerank dialects serve as rerankers: λ, μ and ρ in one reward', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'gavel-rerank-'))
  const provider: ProviderServer = await startProviderServer()
  const api: RunningServer = await startServer({
    dataDir,
    adminKey: 'admin',
    secretKey: 's'.repeat(32),
    allowPrivateUrls: true,
  })
  const post = async (path: string, body: object) => {
    const headers = { authorization: 'Bearer admin', 'content-type': 'application/json' }
    const response = await fetch(api.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    const text = await response.text()
    assert.equal(response.status, 200, text)
    return JSON.parse(text)
  }
  try {
    await post('/v1/judges', { name: 'j', provider: { type: 'openai', base_url: `${provider.url}/v1`, model: 'm' } })
    const { key } = await post('/v1/keys', { scopes: ['judge'] })
    const reranker = (dialect: string) => ({
      type: 'rerank', dialect, api_key: key, base_url: `${api.url}/compat/${dialect === 'tei' ? 'tei' : 'vllm'}/j`,
    }) // prettier-ignore
    for (const dialect of ['tei', 'jina']) {
      const made = await post('/v1/judges', { name: dialect, provider: reranker(dialect) })
      assert.deepEqual([made.provider.has_api_key, JSON.stringify(made).includes(key)], [true, false])
      const reward = { lambda: 0.5, mu: 0.25, rho: 0.25, verifier: 'math', judge: 'j', reranker: dialect }
      const items = [{ prompt: 'q', completion: 'p=0.8 #### 4', answer: '4' }, { prompt: 'q', completion: 'p=0.6 #### 4' }] // prettier-ignore
      const { data } = await post('/v1/rewards', { reward, items })
      const close = (value: number, expected: number) => assert.ok(Math.abs(value - expected) < 1e-9, `${value}`)
      close(data[0].terms.reranker, 0.8)
      close(data[0].reward, 0.5 + 0.5 * 0.8)
      close(data[1].reward, 0.6)
    }
  } finally {
    await Promise.all([api.close(), provider.close()])
    rmSync(dataDir, { recursive: true })
  }
})
