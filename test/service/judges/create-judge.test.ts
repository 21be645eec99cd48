import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp, type TestApp } from '../../helpers/test-app.ts'

const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }
const reranker = { type: 'rerank', base_url: 'https://rerank.example', model: 'm' }

async function withApp(run: (app: TestApp, refused: (json: object, param: string, status?: number) => Promise<string>) => Promise<void>) {
  const app = await testApp()
  try {
    await run(app, async (json, param, status = 422) => {
      const { error } = await app.json('/v1/judges', { json }, status)
      assert.deepEqual([error.param, error.code], [param, status === 404 ? 'not_found' : 'unprocessable'])
      return error.message
    })
  } finally {
    app.close()
  }
} // prettier-ignore

test('a reranker gets question and answer alone: wording of any kind is refused', () =>
  withApp(async (app, refused) => {
    const made = await app.json('/v1/judges', { json: { provider: reranker } })
    assert.deepEqual(made.template, { system: '{question}', user: '{answer}' })
    await app.json('/v1/judges', { json: { provider: reranker, template: 'answer-correctness', debias: [] } })
    await refused({ provider: reranker, template: 'rubric' }, 'template')
    await refused({ provider: reranker, rubric: 'r' }, 'template')
    await refused({ provider: reranker, debias: ['order'] }, 'template')
    const judge = await app.json('/v1/judges', { json: { provider } })
    assert.equal(judge.template, 'answer-correctness')
  }))

test('labels are Yes and No unless others are given, and never one word', () =>
  withApp(async (app, refused) => {
    const labelsOf = async (labels?: object) => (await app.json('/v1/judges', { json: { provider, labels } })).labels
    assert.deepEqual(await labelsOf(), { yes: 'Yes', no: 'No' })
    assert.deepEqual(await labelsOf({ no: 'Nein' }), { yes: 'Yes', no: 'Nein' })
    assert.deepEqual(await labelsOf({ yes: 'Ja' }), { yes: 'Ja', no: 'No' })
    await refused({ provider, labels: { yes: 'no' } }, 'labels')
  }))

test('a way of debiasing counts once', () =>
  withApp(async (app) => {
    const { debias } = await app.json('/v1/judges', { json: { provider, debias: ['order', 'order'] } })
    assert.deepEqual(debias, ['order'])
  }))

test('llama.cpp runs GGUF files only, wherever the model comes from', () =>
  withApp(async (app, refused) => {
    const model = async (name: string, source: object) => app.json('/v1/models', { json: { name, source } })
    await model('file', { type: 'local', path: '/models/m.GGUF' })
    await model('folder', { type: 'local', path: '/models/m' })
    await model('hub-file', { type: 'hub', repo: 'a/b', file: 'm.gguf' })
    await model('hub', { type: 'hub', repo: 'a/b' })
    const local = (name: string, engine: string) => ({ provider: { type: 'local', model: name, engine } })
    for (const name of ['file', 'hub-file']) {
      const made = await app.json('/v1/judges', { json: local(name, 'llama.cpp') })
      assert.match(made.provider.model, /^model_/)
    }
    for (const name of ['folder', 'hub']) {
      await refused(local(name, 'llama.cpp'), 'provider.engine')
      await app.json('/v1/judges', { json: local(name, 'gavel') })
    }
    await refused(local('nobody', 'gavel'), 'provider.model', 404)
    await refused({ ...local('file', 'gavel'), label_token_ids: { yes: [1], no: [2] } }, 'label_token_ids')
  }))

test('a base URL takes paths before its query, so it has no fragment; the secret is kept apart', () =>
  withApp(async (app, refused) => {
    await refused({ provider: { ...provider, base_url: `${provider.base_url}#a` } }, 'provider.base_url')
    const azure = `${provider.base_url}?api-version=2024-10-21`
    const made = await app.json('/v1/judges', { json: { provider: { ...provider, base_url: azure } } })
    assert.equal(made.provider.base_url, azure)
    for (const end of ['?a=1', '#a']) {
      const hub = { type: 'huggingface', model: 'a/b', endpoint_url: `https://hub.example/x${end}` }
      await refused({ provider: hub }, 'provider.endpoint_url')
    }
    await refused({ provider: { ...provider, base_url: 'https://localhost/v1' } }, 'provider.base_url')
    const keyed = await app.json('/v1/judges', { json: { name: 'keyed', provider: { ...provider, api_key: 'sk-1' } } })
    const bare = await app.json('/v1/judges', { json: { name: 'bare', provider } })
    assert.deepEqual([keyed.provider.has_api_key, bare.provider.has_api_key], [true, false])
    const { database, secrets } = app.deps
    const [row, other] = [
      (await database.judges.find('default', 'keyed'))!,
      (await database.judges.find('default', 'bare'))!,
    ]
    assert.deepEqual([await secrets.open(row.secret!, row.id), other.secret], ['sk-1', null])
    await assert.rejects(secrets.open(row.secret!, other.id), { code: 'unavailable_here' })
  }))

test('an ensemble is of judges that are none themselves, each once, by their ids', () =>
  withApp(async (app, refused) => {
    const ids = []
    for (const name of ['a', 'b']) ids.push((await app.json('/v1/judges', { json: { name, provider } })).id)
    const of = (...judges: string[]) => ({ provider: { type: 'ensemble', judges } })
    const made = await app.json('/v1/judges', { json: { name: 'both', ...of('a', ids[1]) } })
    assert.deepEqual([made.provider.judges, made.provider.combine], [ids, 'mean'])
    await refused(of('a', 'both'), 'provider.judges[1]')
    await refused(of('a', ids[0]), 'provider.judges[1]')
    await refused(of('nobody', 'a'), 'provider.judges[0]', 404)
  }))
