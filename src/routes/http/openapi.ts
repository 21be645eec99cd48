/** The OpenAPI 3.1 description of the routes, made from the very schemas that they validate with. */
import { toJsonSchema } from '@valibot/to-json-schema'
import * as v from 'valibot'
import { chatMessage } from '../../core/schemas/chat.ts'
import * as checkpoints from '../../core/schemas/checkpoint.ts'
import * as datasets from '../../core/schemas/dataset.ts'
import { evalSpec } from '../../core/schemas/eval.ts'
import * as graders from '../../core/schemas/grader.ts'
import { grpoSpec } from '../../core/schemas/grpo.ts'
import * as jobs from '../../core/schemas/job.ts'
import * as judgeJobs from '../../core/schemas/judge-jobs.ts'
import * as judges from '../../core/schemas/judge.ts'
import * as judgments from '../../core/schemas/judgment.ts'
import * as keys from '../../core/schemas/key.ts'
import * as models from '../../core/schemas/model.ts'
import { ppoSpec } from '../../core/schemas/ppo.ts'
import * as rewards from '../../core/schemas/reward.ts'
import { sftSpec } from '../../core/schemas/sft.ts'
import { usage } from '../../core/schemas/usage.ts'
import * as verify from '../../core/schemas/verify.ts'
import * as worker from '../../core/schemas/worker.ts'
import { MAX_JSON_BYTES, type Route } from './route.ts'

/** The schemas that get a name of their own; wherever one occurs, it is referred to. */
const COMPONENTS: Record<string, v.GenericSchema> = {
  CreateJudge: judges.createJudge,
  JudgeTemplate: judges.judgeTemplate,
  CalibrationReport: judgeJobs.calibrationReport,
  JudgeCalibration: judgeJobs.judgeCalibration,
  JudgeAudit: judgeJobs.judgeAudit,
  Judge: judges.judge,
  JudgmentItem: judgments.judgmentItem,
  Judgment: judgments.judgment,
  Verdict: verify.verdict,
  RewardRecipe: rewards.rewardRecipe,
  CreateRecipe: rewards.createRecipe,
  Recipe: rewards.recipe,
  RewardItem: rewards.rewardItem,
  RowReward: rewards.rowReward,
  RewardControl: rewards.rewardControl,
  Receipt: rewards.receipt,
  Overlap: rewards.overlap,
  Dataset: datasets.dataset,
  DatasetRow: datasets.datasetRow,
  CreateModel: models.createModel,
  ModelSource: models.modelSource,
  Model: models.model,
  SftSpec: sftSpec,
  GrpoSpec: grpoSpec,
  PpoSpec: ppoSpec,
  EvalSpec: evalSpec,
  JudgeCalibrateSpec: judgeJobs.judgeCalibrateSpec,
  JudgeAuditSpec: judgeJobs.judgeAuditSpec,
  JobSpec: jobs.jobSpec,
  Job: jobs.job,
  JobEvent: jobs.jobEvent,
  MetricPoint: jobs.metricPoint,
  Sample: jobs.sample,
  ObjectEntry: checkpoints.objectEntry,
  Manifest: checkpoints.manifest,
  Checkpoint: checkpoints.checkpoint,
  StringCheckGrader: graders.stringCheckGrader,
  TextSimilarityGrader: graders.textSimilarityGrader,
  ScoreModelGrader: graders.scoreModelGrader,
  LabelModelGrader: graders.labelModelGrader,
  PythonGrader: graders.pythonGrader,
  MultiGrader: graders.multiGrader,
  ChatMessage: chatMessage,
  CreateKey: keys.createKey,
  Key: keys.key,
  KeyWithSecret: keys.keyWithSecret,
  KeyRate: keys.keyRate,
  KeyBudget: keys.keyBudget,
  Usage: usage,
  Download: worker.download,
  ModelInput: worker.modelInput,
  JudgeInput: worker.judgeInput,
  JobInputs: worker.jobInputs,
  LeasedJob: worker.leasedJob,
}

const TAGS: Record<string, string> = {
  Scoring: 'Rewards for completions: by a judge, by a verifier, or by a recipe of both.',
  Judges: 'Named, immutable ways to get P(Yes).',
  Rewards: 'Recipes that weigh verifier and judge.',
  Datasets: 'JSONL rows to train and evaluate on.',
  Models: 'Names for weights.',
  Jobs: 'Training and evaluation.',
  Checkpoints: 'Committed steps of jobs, with their files.',
  Keys: 'Who may do what, and what was used.',
  Compatibility:
    'Rewards and decisions as existing trainers, servers and SDKs ask for them: only their URL is changed. Where a client ' +
    'sends no headers, a key made with `path_token` stands in the URL: `/t/{key}/compat/…`.',
  Worker: 'What workers speak: lease, heartbeat, reports, checkpoints.',
  Health: 'Whether it runs, and its description.',
}

type Schema = Record<string, unknown>
interface Operation {
  operationId: string
  summary: string
  description?: string
  tags: string[]
  security?: object[]
  servers?: object[]
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema: Schema }[]
  requestBody?: { required: true; content: Record<string, { schema: Schema; example?: unknown }> }
  responses: Record<string, unknown>
}
export interface Description {
  openapi: string
  info: { title: string; version: string; description: string }
  tags: { name: string; description: string }[]
  paths: Record<string, Record<string, Operation>>
  [more: string]: unknown
}

export function describeApi(routes: readonly Route[]): Description {
  const paths: Description['paths'] = {}
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)(\{[^}]*\})?/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) }
  }
  const schemas: Record<string, Schema> = { Error: ERROR }
  for (const [name, schema] of Object.entries(COMPONENTS)) schemas[name] = jsonSchema(schema, name)
  return {
    openapi: '3.1.0',
    info: {
      title: 'Gavel',
      version: '1',
      description:
        'Judge and train: send completions and get rewards, send prompts and get a better small model. ' +
        'Resources, lists and errors have the form of OpenAI’s API.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    } as Description['info'],
    servers: [{ url: '/' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    security: [{ key: [] }],
    paths,
    components: {
      schemas,
      responses: {
        Error: {
          description: 'What was wrong, where, and what to do about it.',
          content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
        },
      },
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'An API key, `gvl_…`.' } },
    },
  }
}

const ERROR: Schema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'code', 'param'],
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        code: { type: 'string' },
        param: { type: ['string', 'null'], description: 'The field, file or row that was wrong.' },
      },
    },
  },
}

function operation(route: Route): Operation {
  const { operationId, summary, tag } = route
  const scope = route.scope === null ? null : `Needs a key with the scope \`${route.scope}\`.`
  const description = [route.description, scope].filter(Boolean).join('\n\n')
  const parameters = [...pathParameters(route), ...queryParameters(route), ...headerParameters(route)]
  const requestBody = requestBodyOf(route)
  return {
    operationId,
    summary,
    ...(description && { description }),
    tags: [tag],
    ...(route.scope === null && { security: [] }),
    ...(route.pathToken && { servers: PATH_TOKEN_SERVERS }),
    ...(parameters.length > 0 && { parameters }),
    ...(requestBody && { requestBody }),
    responses: {
      '200': answer(route),
      ...Object.fromEntries(
        Object.entries(route.otherResponses ?? {}).map(([status, text]) => [status, { description: text }]),
      ),
      '4XX': errorAnswer(route),
      '5XX': errorAnswer(route),
    },
  }
}

/** For clients without headers, the key in the URL. */
const PATH_TOKEN_SERVERS = [
  { url: '/' },
  {
    url: '/t/{key}',
    description: 'With a key made with `path_token`, for clients that send no headers.',
    variables: { key: { default: 'gvl_…' } },
  },
]

function errorAnswer({ errorForm }: Route): object {
  if (!errorForm) return { $ref: '#/components/responses/Error' }
  return {
    description: 'What was wrong, where, and what to do about it.',
    content: { 'application/json': { schema: jsonSchema(errorForm.schema) } },
  }
}

function answer({ response }: Route): object {
  if ('mediaType' in response) {
    return { description: response.description, content: { [response.mediaType]: { schema: { type: 'string' } } } }
  }
  return { description: 'Done.', content: { 'application/json': { schema: jsonSchema(response) } } }
}

function requestBodyOf({ body, rawBody, example, maxBytes }: Route): Operation['requestBody'] {
  const shown = example === undefined ? {} : { example }
  if (rawBody) {
    // The example is in the first form.
    const forms = Object.entries(rawBody).map(([type, schema], i) => [type, { schema, ...(i === 0 && shown) }])
    return { required: true, content: Object.fromEntries(forms) as Record<string, { schema: Schema }> }
  }
  if (!body) return undefined
  const limit = `At most ${(maxBytes ?? MAX_JSON_BYTES) / 2 ** 20} MiB.`
  return {
    required: true,
    description: limit,
    content: { 'application/json': { schema: jsonSchema(body), ...shown } },
  } as Operation['requestBody']
}

const pathParameters = ({ path, params = {} }: Route) =>
  (path.match(/(?<=:)\w+/g) ?? []).map((name) => {
    const { description, ...schema } = jsonSchema(params[name] ?? v.string())
    return { name, in: 'path', required: true, ...(typeof description === 'string' && { description }), schema }
  })

const headerParameters = ({ headers = {} }: Route) =>
  Object.entries(headers).map(([name, header]) => {
    const { description, ...schema } = jsonSchema(header)
    return { name, in: 'header', ...(typeof description === 'string' && { description }), schema }
  })

function queryParameters({ query }: Route) {
  if (!query) return []
  const { properties = {}, required = [] } = jsonSchema(query) as {
    properties?: Record<string, Schema>
    required?: string[]
  }
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    ...(required.includes(name) && { required: true }),
    ...(typeof description === 'string' && { description }),
    schema,
  }))
}

/** As a caller writes it: fields with a default are optional. @param self the component that is being described */
function jsonSchema(schema: v.GenericSchema, self?: string): Schema {
  const { [self ?? '']: _, ...definitions } = COMPONENTS
  const {
    $schema: _schema,
    $defs: _defs,
    ...rest
  } = toJsonSchema(schema, {
    typeMode: 'input',
    target: 'draft-2020-12',
    errorMode: 'ignore',
    definitions,
  }) as Schema
  return JSON.parse(JSON.stringify(rest).replaceAll('"#/$defs/', '"#/components/schemas/')) as Schema
}
