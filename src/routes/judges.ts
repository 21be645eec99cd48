import type { JudgeBody, ResourceRow } from '../core/database.ts'
import { GavelError } from '../core/errors.ts'
import { findResource } from '../core/find-resource.ts'
import { newId } from '../core/ids.ts'
import { resolveTemplate } from '../core/judges/template.ts'
import { checkPublicUrl } from '../core/public-url.ts'
import { deleted, listOf } from '../core/schemas/fields.ts'
import { createJudge, judge, type CreateJudge, type Judge } from '../core/schemas/judge.ts'
import type { Deps } from './deps.ts'
import { common, page, pageQuery } from './lists.ts'
import { removeResource } from './remove-resource.ts'
import { route } from './route.ts'

export const showJudge = (row: ResourceRow<JudgeBody>): Judge =>
  ({ ...common(row, 'judge'), version: row.version, ...row.body }) as Judge

/**
 * What a judge's body becomes in storage: its URLs checked, its model's name resolved, its secret apart.
 * @throws GavelError `unprocessable` or `not_found` naming the field
 */
async function prepare(
  deps: Deps,
  tenant: string,
  body: CreateJudge,
): Promise<{ body: JudgeBody; secret: string | null }> {
  resolveTemplate(body.template)
  const { name: _, provider, ...rest } = body
  const labels = { yes: rest.labels.yes ?? 'Yes', no: rest.labels.no ?? 'No' }
  if (labels.yes === labels.no) {
    throw new GavelError('unprocessable', '`labels.yes` and `labels.no` are the same; give two different words.', {
      param: 'labels',
    })
  }
  if (provider.type === 'local') {
    const model = await findResource(deps.database, 'models', tenant, provider.model, 'provider.model')
    return { body: { ...rest, labels, provider: { ...provider, model: model.id } }, secret: null }
  }
  if (provider.type === 'openai') checkPublicUrl(provider.base_url, 'provider.base_url', deps.allowPrivateUrls)
  else if (provider.endpoint_url) checkPublicUrl(provider.endpoint_url, 'provider.endpoint_url', deps.allowPrivateUrls)
  const { api_key: secret = null, ...shown } = provider
  return { body: { ...rest, labels, provider: { ...shown, has_api_key: secret !== null } }, secret }
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
