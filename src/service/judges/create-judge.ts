import { GavelError } from '../../core/errors.ts'
import { carriesLabel } from '../../core/judges/labels.ts'
import { checkTemplate, RERANK_TEMPLATE } from '../../core/judges/template.ts'
import type { CreateJudge } from '../../core/schemas/judge.ts'
import type { ModelSource } from '../../core/schemas/model.ts'
import type { JudgeBody, ResourceRow } from '../database.ts'
import type { Deps } from '../deps.ts'
import { findResource } from '../find-resource.ts'
import { newId } from '../ids.ts'
import { checkPublicUrl } from '../public-url.ts'

/**
 * Stores a judge: a new version where the tenant has one of the name.
 * @throws GavelError `unprocessable` or `not_found` naming the field
 */
export async function createJudge(deps: Deps, tenant: string, given: CreateJudge): Promise<ResourceRow<JudgeBody>> {
  const { body, secret } = await prepare(deps, tenant, given)
  const id = newId('judge', deps.entropy)
  return deps.database.judges.insert({
    id,
    tenant,
    name: given.name ?? null,
    body,
    secret: secret === null ? null : await deps.secrets.seal(secret, id),
    createdAt: deps.clock.now(),
  })
}

/**
 * What a judge's body becomes in storage: its URLs checked, the names in it resolved, its secret apart.
 * @throws GavelError `unprocessable` or `not_found` naming the field
 */
async function prepare(
  deps: Deps,
  tenant: string,
  body: CreateJudge,
): Promise<{ body: JudgeBody; secret: string | null }> {
  const { name: _name, probe: _probe, provider, ...given } = body
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

const isGguf = (source: ModelSource): boolean =>
  source.type !== 'checkpoint' && /\.gguf$/i.test((source.type === 'hub' ? source.file : source.path) ?? '')

/**
 * A reranker is asked with question and answer alone.
 * @throws GavelError `unprocessable` for wording that it would never see
 */
function forReranker<B extends Omit<CreateJudge, 'name' | 'provider' | 'probe'>>(given: B): B {
  const hasWording = given.template !== 'answer-correctness' || given.rubric !== undefined || given.debias.length > 0
  if (!hasWording) return { ...given, template: RERANK_TEMPLATE }
  const message =
    '`template`, `rubric` and `debias` are not for a reranker, which gets question and answer alone; leave them out.'
  throw new GavelError('unprocessable', message, { param: 'template' })
}

/** As {@link checkPublicUrl}, of a URL that paths are put after: before its query, where it may have one. */
function checkBaseUrl(text: string, param: string, { allowPrivateUrls }: Deps, mayHaveQuery: boolean): void {
  const { search, hash } = checkPublicUrl(text, param, allowPrivateUrls)
  if (hash === '' && (search === '' || mayHaveQuery)) return
  const what = mayHaveQuery ? 'a fragment' : 'a query or fragment'
  const message = `\`${param}\` must not carry ${what}: paths such as /chat/completions are put after it. Leave it out.`
  throw new GavelError('unprocessable', message, { param })
}

type Provider = CreateJudge['provider']
type Prepared = Promise<{ provider: JudgeBody['provider']; secret: string | null }>
type Prepare<P> = (provider: P, deps: Deps, tenant: string) => Prepared
type RemoteProvider = Extract<Provider, { api_key?: string | undefined }>

/** Of a provider that is asked over HTTP: its URL is checked, its secret kept apart. */
async function remote({ api_key, ...provider }: RemoteProvider, deps: Deps): Prepared {
  if (provider.type !== 'huggingface')
    checkBaseUrl(provider.base_url, 'provider.base_url', deps, provider.type === 'openai')
  else if (provider.endpoint_url) checkBaseUrl(provider.endpoint_url, 'provider.endpoint_url', deps, false)
  return { provider: { ...provider, has_api_key: api_key !== undefined }, secret: api_key ?? null }
}

const PREPARE: { [T in Provider['type']]: Prepare<Extract<Provider, { type: T }>> } = {
  openai: remote,
  huggingface: remote,
  decisions: remote,
  systemone: remote,
  rerank: remote,
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
