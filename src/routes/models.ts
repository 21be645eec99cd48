import { deleted, listOf } from '../core/schemas/fields.ts'
import { createModel, model } from '../core/schemas/model.ts'
import type { ModelBody, ResourceRow } from '../service/database.ts'
import { findResource } from '../service/find-resource.ts'
import { newId } from '../service/ids.ts'
import { findModelCheckpoint } from '../service/jobs/checkpoints.ts'
import { releaseCheckpoints } from '../service/jobs/collect.ts'
import { removeResource } from '../service/remove-resource.ts'
import { resourceHeader } from '../service/resource-header.ts'
import { page, pageQuery } from './http/page.ts'
import { route } from './http/route.ts'

const show = (row: ResourceRow<ModelBody>) => ({
  ...resourceHeader(row, 'model'),
  version: row.version,
  source: row.body.source,
})

export const modelRoutes = [
  route({
    method: 'POST',
    path: '/v1/models',
    operationId: 'createModel',
    tag: 'Models',
    summary: 'Give weights a name',
    description: 'Workers load the weights from the source: the Hub, a path of theirs, or a checkpoint.',
    scope: 'train',
    body: createModel,
    example: { name: 'student', source: { type: 'hub', repo: 'HuggingFaceTB/SmolLM2-135M-Instruct' } },
    response: model,
    async handler({ deps, caller, body: { name, source } }) {
      const { tenant } = caller
      if (source.type === 'checkpoint') {
        await findModelCheckpoint(deps.database, tenant, source.checkpoint, 'source.checkpoint')
      }
      const id = newId('model', deps.entropy)
      const createdAt = deps.clock.now()
      return show(await deps.database.models.insert({ id, tenant, name, body: { source }, secret: null, createdAt }))
    },
  }),
  route({
    method: 'GET',
    path: '/v1/models',
    operationId: 'listModels',
    tag: 'Models',
    summary: 'List models, newest first',
    scope: 'train',
    query: pageQuery(),
    response: listOf(model),
    handler: ({ deps, caller, query }) => page(query, (p) => deps.database.models.list(caller.tenant, p), show),
  }),
  route({
    method: 'GET',
    path: '/v1/models/:id',
    operationId: 'getModel',
    tag: 'Models',
    summary: 'Get a model by id, or the newest of a name',
    scope: 'train',
    response: model,
    handler: async ({ deps, caller, params }) =>
      show(await findResource(deps.database, 'models', caller.tenant, params.id, 'id')),
  }),
  route({
    method: 'DELETE',
    path: '/v1/models/:id',
    operationId: 'deleteModel',
    tag: 'Models',
    summary: 'Delete a model; its weights stay where they are',
    description: 'A checkpoint goes with the last thing that names it where its job is deleted.',
    scope: 'train',
    response: deleted,
    async handler({ deps, caller, params }) {
      const { id, body } = await removeResource(deps, 'models', caller.tenant, params.id)
      await releaseCheckpoints(deps, caller.tenant, body)
      return { id, object: 'model', deleted: true }
    },
  }),
]
