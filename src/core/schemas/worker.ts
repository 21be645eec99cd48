/** What a worker and the API say to each other. Every call but `lease` carries the fence of the lease. */
import * as v from 'valibot'
import { MAX_PARTS } from '../ports.ts'
import { manifest, objectEntries, objectEntry } from './checkpoint.ts'
import { fields, integer, jsonObject, list, reference, shortText } from './fields.ts'
import { eventPost, JOB_TYPES, jobError, jobSpec, metricPoint, sample, type LeasedSpec } from './job.ts'
import { ensembleProvider, judge } from './judge.ts'
import { judgmentItem } from './judgment.ts'
import { rewardRecipe } from './reward.ts'

export const fence = integer(0, Number.MAX_SAFE_INTEGER, 'The number that came with the lease.')
const step = integer(0, 1_000_000, 'Optimizer steps done.')
/** Most rows of one post of metrics, events or samples. */
const MAX_POST = 1000
const posted = <S extends v.GenericSchema>(item: S) => list(item, 1, MAX_POST)

export const leaseRequest = fields({
  worker: shortText("The worker's own name, for people to read.", 128),
  kinds: v.optional(v.pipe(v.array(v.picklist(JOB_TYPES)), v.minLength(1), v.description('Only jobs of these types.'))),
  wait_seconds: v.optional(integer(0, 60, 'How long to wait for a job where there is none. Default 0.'), 0),
})

/** An object to read. */
export const download = v.object({
  name: v.string(),
  size: v.number(),
  sha256: v.string(),
  url: v.pipe(
    v.string(),
    v.description("Absolute: read it as it is, without credentials. A path: of this API, with the worker's key."),
  ),
  key: v.pipe(
    v.optional(v.string()),
    v.description(
      'Where it lies: POST /v1/worker/jobs/{id}/downloads makes a new `url` of it, should this be refused.',
    ),
  ),
})
export type Download = v.InferOutput<typeof download>

export const checkpointInput = v.object({
  checkpoint: v.string(),
  step: v.number(),
  state: jsonObject('As committed.'),
  objects: v.array(download),
})
export type CheckpointInput = v.InferOutput<typeof checkpointInput>

/** A model's source with everything needed to load it. */
export const modelInput = v.variant('type', [
  v.object({
    type: v.literal('hub'),
    repo: v.string(),
    revision: v.optional(v.string()),
    file: v.optional(v.string()),
  }),
  v.object({ type: v.literal('local'), path: v.string() }),
  v.object({ type: v.literal('checkpoint'), ...checkpointInput.entries }),
])
export type ModelInput = v.InferOutput<typeof modelInput>

export const datasetInput = v.object({
  id: v.string(),
  rows: v.number(),
  labelled: v.number(),
  objects: v.pipe(v.array(download), v.description('The JSONL, in pieces of whole lines, in order.')),
})
export type DatasetInput = v.InferOutput<typeof datasetInput>

const { template, rubric, labels, debias, min_label_mass, max_answer_chars, calibration } = judge.entries
const { judges, combine, k } = ensembleProvider.entries
const judgeInputEntries = {
  id: v.string(),
  version: v.number(),
  template,
  rubric,
  labels,
  debias: v.optional(debias),
  min_label_mass,
  max_answer_chars: v.optional(max_answer_chars),
  calibration,
  model: v.pipe(
    v.nullable(modelInput),
    v.description('Of a local judge. Null: ask POST /v1/worker/jobs/{id}/judgments instead.'),
  ),
  engine: v.optional(v.picklist(['gavel', 'llama.cpp'])),
}
/** A judge without its secret: a local one with its model, an ensemble with its judges, any other to be asked through the API. */
export const judgeInput = v.object({
  ...judgeInputEntries,
  ensemble: v.optional(v.object({ judges, combine, k, members: v.array(v.object(judgeInputEntries)) })),
  audited: v.optional(v.boolean()),
  warnings: v.optional(v.array(v.string())),
})
export type JudgeInput = v.InferOutput<typeof judgeInput>
/** One that the API's own process is to run, and whose it is. */
export type OwnedJudge = JudgeInput & { tenant: string }

export const jobInputs = v.object({
  model: v.pipe(v.nullable(modelInput), v.description('Null for jobs about a judge.')),
  datasets: v.pipe(
    v.record(v.string(), datasetInput),
    v.description('By their role in the spec: `dataset`, or `labelled`, `unlabelled`, `canary`.'),
  ),
  reward: v.nullable(rewardRecipe),
  judge: v.nullable(judgeInput),
  reranker: v.nullable(judgeInput),
  fallback: v.pipe(
    v.optional(v.object({ judge: v.nullable(judgeInput), reranker: v.nullable(judgeInput) })),
    v.description('The judges of `fallback_reward`, where the spec has one.'),
  ),
  resume: v.pipe(v.nullable(checkpointInput), v.description('The newest committed checkpoint of this job.')),
})
export type JobInputs = v.InferOutput<typeof jobInputs>

export const leasedJob = v.object({
  id: v.string(),
  type: v.picklist(JOB_TYPES),
  spec: jobSpec,
  fence: v.number(),
  lease_seconds: v.number(),
  attempt: v.number(),
  tenant: v.pipe(v.string(), v.description('Whose job it is.')),
  own: v.pipe(
    v.boolean(),
    v.description(
      "Whether the worker's key is of the same tenant. A worker lets only its own jobs have what it knows beside the job: folders, tokens.",
    ),
  ),
  inputs: jobInputs,
  store: v.pipe(
    v.object({ object_bytes: v.number(), free_bytes: v.nullable(v.number()), volume: v.nullable(v.string()) }),
    v.description(
      'What the object store takes: the largest object, its free space, and the disk it lies on, where these are known.',
    ),
  ),
})
export type LeasedJob = Omit<v.InferOutput<typeof leasedJob>, 'spec'> & { spec: LeasedSpec }
export const leaseAnswer = v.object({ job: leasedJob })

export const fenced = fields({ fence })
export const heartbeatAnswer = v.object({
  lease_expires_at: v.number(),
  cancel_requested: v.boolean(),
  pause_requested: v.boolean(),
})
export type HeartbeatAnswer = v.InferOutput<typeof heartbeatAnswer>

export const postMetrics = fields({ fence, data: posted(metricPoint) })
export const postEvents = fields({ fence, data: posted(eventPost) })
export const postSamples = fields({ fence, data: posted(sample) })

export const downloadRequest = fields({ fence, key: shortText("The `key` of an object of the job's inputs.", 1024) })

export const uploadsRequest = fields({ fence, step, objects: objectEntries })
export const upload = v.object({
  name: v.string(),
  key: v.string(),
  url: v.optional(
    v.pipe(
      v.string(),
      v.description("Absolute: send to it without credentials. A path: of this API, with the worker's key."),
    ),
  ),
  parts: v.optional(
    v.pipe(
      v.object({
        upload: v.pipe(v.string(), v.description('What to name when it is finished, or given up.')),
        bytes: v.pipe(v.number(), v.description('Of each part but the last.')),
        urls: v.pipe(v.array(v.string()), v.description('Where to put each, as with `url`. Each answers its ETag.')),
      }),
      v.description('Of a large file, in place of `url`: it is sent in parts, and then finished.'),
    ),
  ),
  method: v.literal('PUT'),
  headers: v.record(v.string(), v.string()),
})
export type Upload = v.InferOutput<typeof upload>

/** Names an upload in parts. */
export const uploadId = shortText('The `upload` that the parts belong to.', 2048)
export const finishUploadRequest = fields({
  fence,
  step,
  object: objectEntry,
  upload: uploadId,
  etags: v.pipe(
    v.array(shortText('What the store answered to the part.', 256)),
    v.minLength(1),
    v.maxLength(MAX_PARTS),
    v.description('Of all parts, in order.'),
  ),
})

export const commitRequest = fields({ fence, step, manifest })
export const commitAnswer = v.object({ id: v.string() })
export const completeRequest = fields({
  fence,
  result: v.optional(jsonObject('What the job found out. An `eval` gives {correct, n, accuracy, low, high}.'), {}),
})
export const failRequest = fields({
  fence,
  error: jobError,
  retryable: v.optional(v.boolean(), false),
})
export const workerJudgmentsRequest = fields({
  fence,
  judge: reference("The judge of the job's inputs, or one of its ensemble's, by id."),
  items: list(judgmentItem, 1, 4096),
})
/** Of one report; sums of them stay whole numbers. */
const MAX_USED = 1e12
const used = (description: string) => v.optional(integer(0, MAX_USED, description), 0)
export const judgeUsageRequest = fields({
  fence,
  report: integer(
    1,
    Number.MAX_SAFE_INTEGER,
    'Number of the report, which grows with each under this fence. One that was counted before is not counted again.',
  ),
  judge: reference("A local judge of the job's inputs, or of its ensemble's, by id."),
  items: used('Answers that it is about to be asked about.'),
  abstained: used('Answers that it gave no verdict on.'),
  failed: used('Answers that it could not be had for.'),
  prompt_tokens: used('Tokens that it read.'),
  completion_tokens: used('Tokens that it wrote.'),
})
export const accepted = v.object({ accepted: v.number() })
