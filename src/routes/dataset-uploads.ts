import {
  dataset,
  datasetUpload,
  completeUpload,
  newDataset,
  partNumber,
  partUrl,
  uploadPart,
} from '../core/schemas/dataset.ts'
import { deleted } from '../core/schemas/fields.ts'
import { parse } from '../core/schemas/parse.ts'
import type { UploadRow } from '../service/database.ts'
import { datasetOf } from '../service/datasets/dataset-objects.ts'
import * as uploads from '../service/datasets/uploads.ts'
import type { Deps } from '../service/deps.ts'
import { unixSeconds } from '../service/resource-header.ts'
import { showDataset } from './datasets.ts'
import { readJsonl } from './http/read-jsonl.ts'
import { route } from './http/route.ts'

const show = ({ datasetLimits }: Deps, upload: UploadRow) => ({
  id: upload.id,
  object: 'dataset.upload',
  name: upload.name,
  append_to: upload.base,
  created_at: unixSeconds(upload.createdAt),
  expires_at: unixSeconds(upload.expiresAt),
  parts: upload.body.parts.map((part, i) => ({ part: i + 1, ...part })),
  max_bytes: datasetLimits.bytes,
  max_rows: datasetLimits.rows,
  dataset: upload.completedAt === null ? null : datasetOf(upload),
})

/** The upload that a path names, and the number of its part. */
async function partOf(deps: Deps, tenant: string, params: { id: string; part: string }) {
  const { part } = parse(uploadPart, { part: Number(params.part) }, 'path')
  return { upload: await uploads.findUpload(deps, tenant, params.id), part }
}

const common = { tag: 'Datasets', scope: 'data' } as const

/** Datasets that are larger than a request may be, or whose upload must not begin anew when it breaks off. */
export const datasetUploadRoutes = [
  route({
    ...common,
    method: 'POST',
    path: '/v1/dataset_uploads',
    operationId: 'openDatasetUpload',
    summary: 'Begin to upload a dataset in parts',
    description:
      'Then put its parts in order, each of whole lines, and complete it. Nothing is a dataset before that, and what is not ' +
      'complete after a day is deleted.',
    body: newDataset,
    example: { name: 'word-problems' },
    response: datasetUpload,
    handler: async ({ deps, caller, body }) => show(deps, await uploads.openUpload(deps, caller.tenant, body)),
  }),
  route({
    ...common,
    method: 'GET',
    path: '/v1/dataset_uploads/:id',
    operationId: 'getDatasetUpload',
    summary: 'Get an upload: which parts are stored',
    response: datasetUpload,
    handler: async ({ deps, caller, params }) => show(deps, await uploads.findUpload(deps, caller.tenant, params.id)),
  }),
  route({
    ...common,
    method: 'PUT',
    path: '/v1/dataset_uploads/:id/parts/:part',
    params: { part: partNumber },
    operationId: 'putDatasetPart',
    summary: 'Put a part',
    description:
      'JSONL, whole lines, checked as they come; or compressed (`Content-Encoding: gzip`). A bad line is named by its number ' +
      'in the whole dataset, and nothing of the part is stored: mend it and put it again. The last part may be put again ' +
      'where its answer was lost.',
    rawBody: { 'application/jsonl': { type: 'string', description: 'One JSON object a line.' } },
    response: datasetUpload,
    async handler({ deps, caller, params, request, work }) {
      const { upload, part } = await partOf(deps, caller.tenant, params)
      return show(deps, await uploads.addPart(deps, upload, part, readJsonl(request), work))
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/dataset_uploads/:id/parts/:part/url',
    params: { part: partNumber },
    operationId: 'urlOfDatasetPart',
    summary: 'Ask for a URL to put a part at, where the object store has them',
    description: 'For a part that is larger than a request to the API may be. Put it there, then take it.',
    response: partUrl,
    async handler({ deps, caller, params }) {
      const { upload, part } = await partOf(deps, caller.tenant, params)
      return uploads.urlOfPart(deps, upload, part)
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/dataset_uploads/:id/parts/:part/take',
    params: { part: partNumber },
    operationId: 'takeDatasetPart',
    summary: 'Check and store the part that was put at its URL',
    response: datasetUpload,
    async handler({ deps, caller, params, work }) {
      const { upload, part } = await partOf(deps, caller.tenant, params)
      return show(deps, await uploads.takePart(deps, upload, part, work))
    },
  }),
  route({
    ...common,
    method: 'POST',
    path: '/v1/dataset_uploads/:id/complete',
    operationId: 'completeDatasetUpload',
    summary: 'Make a dataset of the parts',
    description: 'Once more, it answers the same dataset.',
    body: completeUpload,
    example: { parts: 3 },
    response: dataset,
    async handler({ deps, caller, params, body: { parts } }) {
      const upload = await uploads.findUpload(deps, caller.tenant, params.id)
      return showDataset(await uploads.completeUpload(deps, upload, parts))
    },
  }),
  route({
    ...common,
    method: 'DELETE',
    path: '/v1/dataset_uploads/:id',
    operationId: 'abortDatasetUpload',
    summary: 'End an upload and delete its parts',
    description: 'Where it is complete, its dataset stays.',
    response: deleted,
    async handler({ deps, caller, params }) {
      const upload = await uploads.findUpload(deps, caller.tenant, params.id)
      await uploads.abortUpload(deps, upload)
      return { id: upload.id, object: 'dataset.upload', deleted: true }
    },
  }),
]
