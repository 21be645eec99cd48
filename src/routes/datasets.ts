import * as v from 'valibot'
import { GavelError } from '../core/errors.ts'
import { dataset, datasetRow, newDataset } from '../core/schemas/dataset.ts'
import { deleted, listOf, NAME } from '../core/schemas/fields.ts'
import { parse } from '../core/schemas/parse.ts'
import type { DatasetBody, ResourceRow } from '../service/database.ts'
import { deleteDataset } from '../service/datasets/dataset-objects.ts'
import { rowsAfter, segmentBytes } from '../service/datasets/read-dataset.ts'
import { createDataset } from '../service/datasets/uploads.ts'
import { findResource } from '../service/find-resource.ts'
import { resourceHeader } from '../service/resource-header.ts'
import { page, pageQuery } from './http/page.ts'
import { mediaType } from './http/read-body.ts'
import { readForm, readJsonl } from './http/read-jsonl.ts'
import { route } from './http/route.ts'
import { serveObject, streamed } from './http/serve-object.ts'

export const showDataset = ({ body, ...row }: ResourceRow<DatasetBody>) => {
  const { rows, labelled, completions, bytes, sha256, base = null } = body
  return { ...resourceHeader(row, 'dataset'), version: row.version, rows, labelled, completions, bytes, sha256, base }
}

export const datasetRoutes = [
  route({
    method: 'POST',
    path: '/v1/datasets',
    operationId: 'createDataset',
    tag: 'Datasets',
    summary: 'Upload a dataset',
    description:
      'JSONL, one row a line: `{id?, prompt | messages, answer?, completion?, …}`. A row with an answer is labelled. ' +
      'It may come compressed (`Content-Encoding: gzip`). A bad line is named in the error, and nothing is stored. With ' +
      '`append_to`, the rows of that dataset and these are its next version. A file that is larger than a request may be ' +
      'comes in parts: POST /v1/dataset_uploads.',
    scope: 'data',
    query: newDataset,
    rawBody: {
      'multipart/form-data': {
        type: 'object',
        required: ['file'],
        properties: {
          file: { type: 'string', format: 'binary', description: 'The JSONL, up to 32 MiB.' },
          name: { type: 'string', pattern: NAME.source },
          append_to: { type: 'string' },
        },
      },
      'application/jsonl': { type: 'string', description: 'One JSON object a line.' },
    },
    example: {
      file: '{"prompt": "What is 2 + 3?", "answer": "5"}\n{"prompt": "What is 7 - 4?"}\n',
      name: 'word-problems',
    },
    response: dataset,
    async handler({ deps, caller, query, request, work }) {
      if (mediaType(request) !== 'multipart/form-data') {
        return showDataset(await createDataset(deps, caller.tenant, query, readJsonl(request), work))
      }
      const { file, ...fields } = await readForm(request, work)
      const given = { ...query, ...parse(newDataset, fields, 'form') }
      return showDataset(await createDataset(deps, caller.tenant, given, file, work))
    },
  }),
  route({
    method: 'GET',
    path: '/v1/datasets',
    operationId: 'listDatasets',
    tag: 'Datasets',
    summary: 'List datasets, newest first',
    scope: 'data',
    query: pageQuery(),
    response: listOf(dataset),
    handler: ({ deps, caller, query }) =>
      page(query, (p) => deps.database.datasets.list(caller.tenant, p), showDataset),
  }),
  route({
    method: 'GET',
    path: '/v1/datasets/:id',
    operationId: 'getDataset',
    tag: 'Datasets',
    summary: 'Get a dataset by id, or the newest of a name',
    scope: 'data',
    response: dataset,
    handler: async ({ deps, caller, params }) =>
      showDataset(await findResource(deps.database, 'datasets', caller.tenant, params.id, 'id')),
  }),
  route({
    method: 'GET',
    path: '/v1/datasets/:id/rows',
    operationId: 'listDatasetRows',
    tag: 'Datasets',
    summary: 'Look at rows of a dataset',
    scope: 'data',
    query: pageQuery(),
    response: listOf(v.object({ line: v.number(), row: datasetRow })),
    async handler({ deps, caller, params, query }) {
      const found = await findResource(deps.database, 'datasets', caller.tenant, params.id, 'id')
      const after = Number(query.after ?? 0)
      if (!Number.isSafeInteger(after) || after < 0) {
        throw new GavelError('not_found', '`after` must be the number of a line.', { param: 'after' })
      }
      const data = []
      for await (const { line, row } of rowsAfter(deps.blobs, found, after)) {
        if (line > after) data.push({ id: String(line), line, row })
        if (data.length > query.limit) break
      }
      return { object: 'list', data: data.slice(0, query.limit), has_more: data.length > query.limit }
    },
  }),
  route({
    method: 'GET',
    path: '/v1/datasets/:id/content',
    operationId: 'getDatasetContent',
    tag: 'Datasets',
    summary: 'Download a dataset as it was uploaded',
    scope: 'data',
    response: { mediaType: 'application/jsonl', description: 'The JSONL.' },
    otherResponses: {
      '302':
        'Where the object store has URLs of its own, and holds the dataset as one object: the place to read it from.',
    },
    async handler({ deps, caller, params }) {
      const { id, body } = await findResource(deps.database, 'datasets', caller.tenant, params.id, 'id')
      const [first, ...more] = body.segments
      if (more.length === 0) return serveObject(deps.blobs, first!.blob, `${id}.jsonl`, 'application/jsonl')
      const object = { size: body.bytes, chunks: segmentBytes(deps.blobs, id, body.segments) }
      return streamed(object, `${id}.jsonl`, 'application/jsonl')
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/datasets/:id',
    operationId: 'deleteDataset',
    tag: 'Datasets',
    summary: 'Delete a dataset and its file',
    description: 'Rows that another version shares stay with it.',
    scope: 'data',
    response: deleted,
    async handler({ deps, caller, params }) {
      const { id } = await deleteDataset(deps, caller.tenant, params.id)
      return { id, object: 'dataset', deleted: true }
    },
  }),
]
