import * as v from 'valibot'
import { checkDataset, datasetRows } from '../core/datasets/dataset-rows.ts'
import { GavelError } from '../core/errors.ts'
import { dataset, datasetName, datasetRow, MAX_DATASET_BYTES } from '../core/schemas/dataset.ts'
import { deleted, listOf, NAME } from '../core/schemas/fields.ts'
import { parse } from '../core/schemas/parse.ts'
import { sha256Hex } from '../core/sha256.ts'
import type { DatasetBody, ResourceRow } from '../service/database.ts'
import { findResource } from '../service/find-resource.ts'
import { newId } from '../service/ids.ts'
import { removeResource } from '../service/remove-resource.ts'
import { resourceHeader } from '../service/resource-header.ts'
import { page, pageQuery } from './http/page.ts'
import { mediaType, readBytes } from './http/read-body.ts'
import { route } from './http/route.ts'
import { serveObject } from './http/serve-object.ts'

const JSONL_TYPES = [
  'application/jsonl',
  'application/x-ndjson',
  'application/x-jsonlines',
  'text/plain',
  'application/octet-stream',
]

const show = ({ body, ...row }: ResourceRow<DatasetBody>) => {
  const { rows, labelled, completions, bytes, sha256 } = body
  return { ...resourceHeader(row, 'dataset'), version: row.version, rows, labelled, completions, bytes, sha256 }
}

/** The JSONL of a request and the name that came with it, from either form of body. */
async function readUpload(request: Request): Promise<{ bytes: Uint8Array<ArrayBuffer>; name?: string | undefined }> {
  const type = mediaType(request)
  // The parts of a form come with some hundred bytes around them.
  const bytes = await readBytes(request, MAX_DATASET_BYTES + (type === 'multipart/form-data' ? 65_536 : 0))
  if (type === '' || JSONL_TYPES.includes(type)) return { bytes }
  if (type !== 'multipart/form-data') {
    const message = `A dataset comes as JSONL (Content-Type: application/jsonl) or as a form (multipart/form-data with \`file\` and \`name\`), not as ${type.slice(0, 100)}.`
    throw new GavelError('unsupported_media_type', message, { param: 'Content-Type' })
  }
  const headers = { 'content-type': request.headers.get('content-type') ?? '' }
  const form = await new Response(bytes, { headers }).formData().catch(() => null)
  if (!form)
    throw new GavelError('invalid_request', 'The form cannot be read; send multipart/form-data with its boundary.', {
      param: 'body',
    })
  const file: unknown = form.get('file')
  if (!(file instanceof Blob))
    throw new GavelError('invalid_request', '`file` is missing; send the JSONL as a file part of that name.', {
      param: 'file',
    })
  const name = form.get('name')
  return { bytes: new Uint8Array(await file.arrayBuffer()), ...(name !== null && { name: String(name) }) }
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
      'A bad line is named in the error, and nothing is stored.',
    scope: 'data',
    query: datasetName,
    rawBody: {
      'multipart/form-data': {
        type: 'object',
        required: ['file'],
        properties: {
          file: { type: 'string', format: 'binary', description: 'The JSONL.' },
          name: { type: 'string', pattern: NAME.source },
        },
      },
      'application/jsonl': { type: 'string', description: 'One JSON object a line.' },
    },
    example: {
      file: '{"prompt": "What is 2 + 3?", "answer": "5"}\n{"prompt": "What is 7 - 4?"}\n',
      name: 'word-problems',
    },
    response: dataset,
    async handler({ deps, caller, query, request }) {
      const { bytes, name: formName } = await readUpload(request)
      const { name = query.name } = parse(datasetName, formName === undefined ? {} : { name: formName }, 'form')
      const counts = checkDataset(bytes)
      const id = newId('ds', deps.entropy)
      const blob = `tenants/${caller.tenant}/datasets/${id}.jsonl`
      await deps.blobs.put(blob, bytes, { contentType: 'application/jsonl' })
      const body = { ...counts, bytes: bytes.length, sha256: await sha256Hex(bytes), blob }
      const row = { id, tenant: caller.tenant, name: name ?? null, body, secret: null, createdAt: deps.clock.now() }
      return show(await deps.database.datasets.insert(row))
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
    handler: ({ deps, caller, query }) => page(query, (p) => deps.database.datasets.list(caller.tenant, p), show),
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
      show(await findResource(deps.database, 'datasets', caller.tenant, params.id, 'id')),
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
      const { body, id } = await findResource(deps.database, 'datasets', caller.tenant, params.id, 'id')
      const after = Number(query.after ?? 0)
      if (!Number.isSafeInteger(after) || after < 0) {
        throw new GavelError('not_found', '`after` must be the number of a line.', { param: 'after' })
      }
      const bytes = await deps.blobs.get(body.blob)
      if (!bytes)
        throw new GavelError('not_found', `The file of ${id} is gone from the object store. Upload it again.`, {
          param: 'id',
        })
      const data = []
      for (const { line, row } of datasetRows(bytes)) {
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
    otherResponses: { '302': 'Where the object store has URLs of its own: the place to read it from.' },
    async handler({ deps, caller, params }) {
      const { id, body } = await findResource(deps.database, 'datasets', caller.tenant, params.id, 'id')
      return serveObject(deps.blobs, body.blob, `${id}.jsonl`, 'application/jsonl')
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/datasets/:id',
    operationId: 'deleteDataset',
    tag: 'Datasets',
    summary: 'Delete a dataset and its file',
    scope: 'data',
    response: deleted,
    async handler({ deps, caller, params }) {
      const { id, body } = await removeResource(deps, 'datasets', caller.tenant, params.id)
      await deps.blobs.delete(body.blob)
      return { id, object: 'dataset', deleted: true }
    },
  }),
]
