import * as v from 'valibot'
import { GavelError } from '../core/errors.ts'
import { checkpoint } from '../core/schemas/checkpoint.ts'
import { deleted } from '../core/schemas/fields.ts'
import type { CheckpointRow } from '../service/database.ts'
import { findCheckpoint } from '../service/jobs/checkpoints.ts'
import { collectObjects } from '../service/jobs/collect.ts'
import { refuseWhileUsed } from '../service/remove-resource.ts'
import { unixSeconds } from '../service/resource-header.ts'
import { route } from './http/route.ts'
import { serveObject } from './http/serve-object.ts'

export const showCheckpoint = (row: CheckpointRow) => ({
  id: row.id,
  object: 'checkpoint',
  job: row.job,
  step: row.step,
  created_at: unixSeconds(row.createdAt),
  bytes: row.manifest.objects.reduce((sum, object) => sum + object.size, 0),
  files: row.manifest.objects.map((object) => ({ ...object, url: `/v1/checkpoints/${row.id}/files/${object.name}` })),
})

export const checkpointRoutes = [
  route({
    method: 'GET',
    path: '/v1/checkpoints/:id',
    operationId: 'getCheckpoint',
    tag: 'Checkpoints',
    summary: 'Get a checkpoint',
    scope: 'train',
    response: checkpoint,
    handler: async ({ deps, caller, params }) =>
      showCheckpoint(await findCheckpoint(deps.database, caller.tenant, params.id)),
  }),
  route({
    method: 'GET',
    path: '/v1/checkpoints/:id/files/:name',
    operationId: 'getCheckpointFile',
    tag: 'Checkpoints',
    summary: 'Download a file of a checkpoint',
    description:
      '`manifest.json` is one of them: it lists the others with size and SHA-256. With `Range: bytes=N-`, the rest of a file whose transfer broke off.',
    scope: 'train',
    response: { mediaType: 'application/octet-stream', description: 'The file.' },
    headers: { Range: v.pipe(v.string(), v.description('`bytes=N-`: only from byte N on.')) },
    otherResponses: {
      '206': 'The rest of it.',
      '416': 'It has no such byte.',
      '302': 'Where the object store has URLs of its own: the place to read it from.',
    },
    async handler({ deps, caller, params, request }) {
      const row = await findCheckpoint(deps.database, caller.tenant, params.id)
      const names = [...row.manifest.objects.map((object) => object.name), 'manifest.json']
      if (!names.includes(params.name)) {
        throw new GavelError('not_found', `\`name\`: ${row.id} has no such file; it has ${names.join(', ')}.`, {
          param: 'name',
        })
      }
      return serveObject(deps.blobs, `${row.prefix}/${params.name}`, params.name, 'application/octet-stream', request)
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/checkpoints/:id',
    operationId: 'deleteCheckpoint',
    tag: 'Checkpoints',
    summary: 'Delete a checkpoint and its files',
    scope: 'train',
    response: deleted,
    async handler({ deps, caller, params }) {
      const row = await findCheckpoint(deps.database, caller.tenant, params.id)
      await refuseWhileUsed(deps.database, caller.tenant, row.id)
      await deps.database.checkpoints.remove(caller.tenant, row.id)
      await collectObjects(deps, (await deps.database.jobs.ofCheckpoints(row.job))!.job)
      return { id: row.id, object: 'checkpoint', deleted: true }
    },
  }),
]
