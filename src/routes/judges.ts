import type { JudgeBody, ResourceRow } from '../core/database.ts'
import { GavelError } from '../core/errors.ts'
import { findResource } from '../core/find-resource.ts'
import { newId } from '../core/ids.ts'
import { carriesLabel } from '../core/judges/labels.ts'
import { cacheVersion } from '../core/judges/score.ts'
import { checkTemplate, MAX_ANSWER_CHARS, RERANK_TEMPLATE } from '../core/judges/template.ts'
import { checkPublicUrl } from '../core/public-url.ts'
import { deleted, listOf } from '../core/schemas/fields.ts'
import {
  createJudge,
  judge,
  judgeCache,
  setJudgeBudget,
  type CreateJudge,
  type Judge,
  type JudgeCache,
} from '../core/schemas/judge.ts'
import type { ModelSource } from '../core/schemas/model.ts'
import type { Deps } from './deps.ts'
import { common, page, pageQuery } from './lists.ts'
import { removeResource } from './remove-resource.ts'
import { route } from './route.ts'

/** What judges stored by earlier versions of Gavel lack. */
const DEFAULTS = { debias: [], max_answer_chars: MAX_ANSWER_CHARS }

export const showJudge = (row: ResourceRow<JudgeBody>): Judge =>
  ({ ...common(row, 'judge'), version: row.version, ...DEFAULTS, ...row.body }) as Judge

/**
 * What a judge's body becomes in storage: its URLs checked, the names in it resolved, its secret apart.
 * @throws GavelError `unprocessable` or `not_found` naming the field
 */
async function prepare(
  deps: Deps,
  tenant: string,
  body: CreateJudge,
): Promise<{ body: JudgeBody; secret: string | null }> {
  const { name: _, provider, ...given } = body
  const rest = provider.type === 'rerank' ? forReranker(given) : given
  const labels = { yes: rest.labels.yes ?? 'Yes', no: rest.labels.no ?? 'No' }
  if (carriesLabel(labels.yes, labels.no)) {
    throw new GavelError('unprocessable', '`labels.yes` and `labels.no` are the same; give two different words.', {
      param: 'labels',
    })
  }
  if (rest.label_token_ids && provider.type === 'local') {
    const message = '`label_token_ids` of a local judge are what its own tokenizer says; leave them out.'
    throw new GavelError('unprocessable', message, { param: 'label_token_ids' })
  }
  checkTemplate({ ...rest, labels })
  const prepared = await (PREPARE[provider.type] as Prepare<Provider>)(provider, deps, tenant)
  const debias = [...new Set(rest.debias)]
  return {
    body: { ...rest, labels, debias, provider: prepared.provider },
    secret: prepared.secret,
  }
}

/** The version under which a judge's judgments are kept. */
async function cacheOf({ database }: Deps, tenant: string, reference: string): Promise<string> {
  const { id, body } = await findResource(database, 'judges', tenant, reference, 'id')
  return cacheVersion({ id, calibration: body.calibration })
}

async function showCache({ database, judgments }: Deps, version: string): Promise<JudgeCache> {
  await judgments.flush()
  return { object: 'judge.cache', judge: version, ...(await database.judgments.summary(version)) }
}

const isGguf = (source: ModelSource): boolean =>
  source.type !== 'checkpoint' && /\.gguf$/i.test((source.type === 'hub' ? source.file : source.path) ?? '')

/**
 * A reranker is asked with question and answer alone.
 * @throws GavelError `unprocessable` for wording that it would never see
 */
function forReranker<B extends Omit<CreateJudge, 'name' | 'provider'>>(given: B): B {
  const hasWording = given.template !== 'answer-correctness' || given.rubric !== undefined || given.debias.length > 0
  if (!hasWording) return { ...given, template: RERANK_TEMPLATE }
  const message =
    '`template`, `rubric` and `debias` are not for a reranker, which gets question and answer alone; leave them out.'
  throw new GavelError('unprocessable', message, { param: 'template' })
}

/** As {@link checkPublicUrl}, of a URL that paths are put after. */
function checkBaseUrl(text: string, param: string, { allowPrivateUrls }: Deps): void {
  const { search, hash } = checkPublicUrl(text, param, allowPrivateUrls)
  if (search === '' && hash === '') return
  const message = `\`${param}\` must not carry a query or fragment: paths such as /chat/completions are put after it. Leave it out.`
  throw new GavelError('unprocessable', message, { param })
}

type Provider = CreateJudge['provider']
type Prepare<P> = (
  provider: P,
  deps: Deps,
  tenant: string,
) => Promise<{ provider: JudgeBody['provider']; secret: string | null }>

const PREPARE: { [T in Provider['type']]: Prepare<Extract<Provider, { type: T }>> } = {
  async openai({ api_key: secret = null, ...provider }, deps) {
    checkBaseUrl(provider.base_url, 'provider.base_url', deps)
    return { provider: { ...provider, has_api_key: secret !== null }, secret }
  },
  async huggingface({ api_key: secret = null, ...provider }, deps) {
    const { endpoint_url } = provider
    if (endpoint_url) checkBaseUrl(endpoint_url, 'provider.endpoint_url', deps)
    return { provider: { ...provider, has_api_key: secret !== null }, secret }
  },
  async decisions({ api_key: secret = null, ...provider }, deps) {
    checkBaseUrl(provider.base_url, 'provider.base_url', deps)
    return { provider: { ...provider, has_api_key: secret !== null }, secret }
  },
  async systemone({ api_key: secret = null, ...provider }, deps) {
    checkBaseUrl(provider.base_url, 'provider.base_url', deps)
    return { provider: { ...provider, has_api_key: secret !== null }, secret }
  },
  async rerank({ api_key: secret = null, ...provider }, deps) {
    checkBaseUrl(provider.base_url, 'provider.base_url', deps)
    return { provider: { ...provider, has_api_key: secret !== null }, secret }
  },
  async workers_ai(provider) {
    return { provider, secret: null }
  },
  async local(provider, { database }, tenant) {
    const { id, body } = await findResource(database, 'models', tenant, provider.model, 'provider.model')
    if (provider.engine === 'llama.cpp' && !isGguf(body.source)) {
      const message =
        '`provider.engine` llama.cpp runs GGUF files, and the model is none; name a .gguf, or use `gavel`.'
      throw new GavelError('unprocessable', message, { param: 'provider.engine' })
    }
    return { provider: { ...provider, model: id }, secret: null }
  },
  async ensemble(provider, { database }, tenant) {
    const ids: string[] = []
    for (const [i, reference] of provider.judges.entries()) {
      const param = `provider.judges[${i}]`
      const { id, body } = await findResource(database, 'judges', tenant, reference, param)
      if (body.provider.type === 'ensemble') {
        const message = `\`${param}\` is an ensemble itself; name the judges that it is made of.`
        throw new GavelError('unprocessable', message, { param })
      }
      if (ids.includes(id)) {
        const message = `\`${param}\` is a judge that is named before; name each once.`
        throw new GavelError('unprocessable', message, { param })
      }
      ids.push(id)
    }
    return { provider: { ...provider, judges: ids }, secret: null }
  },
}

export const judgeRoutes = [
  route({
    method: 'POST',
    path: '/v1/judges',
    operationId: 'createJudge',
    tag: 'Judges',
    summary: 'Create a judge',
    description: 'A judge never changes: creating one under a name that exists makes the next version of the name.',
    scope: 'judge',
    body: createJudge,
    example: {
      name: 'maths',
      provider: { type: 'openai', base_url: 'https://api.example.org/v1', model: 'qwen3-8b', api_key: 'sk-0123' },
      template: 'answer-correctness',
    },
    response: judge,
    async handler({ deps, caller, body }) {
      const { tenant } = caller
      const { body: stored, secret } = await prepare(deps, tenant, body)
      const id = newId('judge', deps.entropy)
      const row = {
        id,
        tenant,
        name: body.name ?? null,
        body: stored,
        secret: secret === null ? null : await deps.secrets.seal(secret, id),
        createdAt: deps.clock.now(),
      }
      return showJudge(await deps.database.judges.insert(row))
    },
  }),
  route({
    method: 'GET',
    path: '/v1/judges',
    operationId: 'listJudges',
    tag: 'Judges',
    summary: 'List judges, newest first',
    scope: 'judge',
    query: pageQuery(),
    response: listOf(judge),
    handler: ({ deps, caller, query }) => page(query, (p) => deps.database.judges.list(caller.tenant, p), showJudge),
  }),
  route({
    method: 'GET',
    path: '/v1/judges/:id',
    operationId: 'getJudge',
    tag: 'Judges',
    summary: 'Get a judge by id, or the newest of a name',
    scope: 'judge',
    response: judge,
    handler: async ({ deps, caller, params }) =>
      showJudge(await findResource(deps.database, 'judges', caller.tenant, params.id, 'id')),
  }),
  route({
    method: 'GET',
    path: '/v1/judges/:id/cache',
    operationId: 'getJudgeCache',
    tag: 'Judges',
    summary: 'What is kept of a judge’s judgments, and how often that was a hit',
    description:
      'An entry is a prompt that the judge has answered (of a question with options, one option). A calibrated judge ' +
      'shares the entries of the version that it calibrates, and an ensemble has none: ask about its judges. Complete up ' +
      'to a second ago.',
    scope: 'judge',
    response: judgeCache,
    handler: async ({ deps, caller, params }) => showCache(deps, await cacheOf(deps, caller.tenant, params.id)),
  }),
  route({
    method: 'POST',
    path: '/v1/judges/:id/cache/clear',
    operationId: 'clearJudgeCache',
    tag: 'Judges',
    summary: 'Forget a judge’s judgments',
    description:
      'They are asked for anew, and paid for anew; the answer is the cache as it is then. What was looked up stays counted.',
    scope: 'judge',
    response: judgeCache,
    async handler({ deps, caller, params }) {
      const version = await cacheOf(deps, caller.tenant, params.id)
      await deps.database.judgments.clear(version)
      return showCache(deps, version)
    },
  }),
  route({
    method: 'PUT',
    path: '/v1/judges/:id/budget',
    operationId: 'setJudgeBudget',
    tag: 'Judges',
    summary: 'Change what may be spent on a judge',
    description:
      'The one thing about a judge that may change, since it changes nothing that the judge says. A job that failed because ' +
      'the budget was spent can be resumed then.',
    scope: 'judge',
    body: setJudgeBudget,
    example: { budget: { tokens: 5_000_000 } },
    response: judge,
    async handler({ deps, caller, params, body: { budget } }) {
      const { id, body } = await findResource(deps.database, 'judges', caller.tenant, params.id, 'id')
      if (budget?.cost !== undefined && !body.price) {
        const message = '`budget.cost` needs a price, and the judge has none; give a budget of tokens.'
        throw new GavelError('unprocessable', message, { param: 'budget' })
      }
      await deps.database.judges.setBudget(caller.tenant, id, budget)
      return showJudge(await findResource(deps.database, 'judges', caller.tenant, id, 'id'))
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/judges/:id',
    operationId: 'deleteJudge',
    tag: 'Judges',
    summary: 'Delete a judge and its secret',
    scope: 'judge',
    response: deleted,
    async handler({ deps, caller, params }) {
      const { id } = await removeResource(deps, 'judges', caller.tenant, params.id)
      return { id, object: 'judge', deleted: true }
    },
  }),
]
