/** A judge: a named, immutable way to get P(Yes). Creating one under an existing name makes the next version. */
import * as v from 'valibot'
import { fields, integer, name, number, reference, shortText, text, unixSeconds, version } from './fields.ts'

const url = (description: string) => v.pipe(v.string(), v.maxLength(2048), v.url(), v.description(description))
const apiKey = v.pipe(
  v.string(),
  v.regex(/^[\u0021-\u007e]{1,4096}$/, 'must be 1 to 4096 visible ASCII characters'),
  v.description('Secret of the provider. Write-only: stored encrypted, never given back.'),
)

export const openaiProvider = fields({
  type: v.literal('openai'),
  base_url: url('Any OpenAI-compatible endpoint up to and with its version, e.g. `https://host/v1`.'),
  model: shortText("The endpoint's name of the model."),
  api_key: v.optional(apiKey),
  api: v.optional(
    v.pipe(
      v.picklist(['chat', 'completions']),
      v.description('`chat` posts to /chat/completions, `completions` posts the rendered text to /completions.'),
    ),
    'chat',
  ),
})

export const huggingfaceProvider = fields({
  type: v.literal('huggingface'),
  model: shortText('Hub id of the model.'),
  inference_provider: v.optional(shortText('Inference provider by name; the Hub chooses when absent.', 64)),
  endpoint_url: v.optional(url('A dedicated Inference Endpoint instead of a provider.')),
  api_key: v.optional(apiKey),
})

export const localProvider = fields({
  type: v.literal('local'),
  model: reference('A model resource, by id or name, run by our own engine.'),
})

export const judgeProvider = v.variant('type', [openaiProvider, huggingfaceProvider, localProvider])

export const judgeTemplate = v.union([
  shortText('Name of a built-in template.', 64),
  fields({
    system: v.optional(text('System message.')),
    user: text('User message (or the whole text) with `{question}` and `{answer}` in it.'),
  }),
])

export const judgeLabels = fields({
  yes: v.optional(shortText('First token that means correct.', 64), 'Yes'),
  no: v.optional(shortText('First token that means wrong.', 64), 'No'),
})

export const createJudge = fields({
  name: v.optional(name),
  provider: judgeProvider,
  template: v.optional(judgeTemplate, 'answer-correctness'),
  labels: v.optional(judgeLabels, {}),
  min_label_mass: v.optional(
    number(
      0,
      1,
      'Least P(yes label) + P(no label), a fraction, below which the judge counts as abstaining. Default 0.5.',
    ),
    0.5,
  ),
  timeout_ms: v.optional(
    integer(100, 600_000, 'Longest wait for one call of the provider, in ms. Default 30000.'),
    30_000,
  ),
  concurrency: v.optional(integer(1, 256, 'Most calls in flight at once. Default 8.'), 8),
})
export type CreateJudge = v.InferOutput<typeof createJudge>

/** What every part of Gavel but the API's own storage sees of a judge: no secret. */
export const judge = v.object({
  id: v.string(),
  object: v.literal('judge'),
  name: v.nullable(v.string()),
  version,
  created_at: unixSeconds,
  provider: v.variant('type', [
    v.object({ ...v.omit(openaiProvider, ['api_key']).entries, has_api_key: v.boolean() }),
    v.object({ ...v.omit(huggingfaceProvider, ['api_key']).entries, has_api_key: v.boolean() }),
    v.object(localProvider.entries),
  ]),
  template: judgeTemplate,
  labels: v.object({ yes: v.string(), no: v.string() }),
  min_label_mass: v.number(),
  timeout_ms: v.number(),
  concurrency: v.number(),
})
export type Judge = v.InferOutput<typeof judge>
export type JudgeTemplate = v.InferOutput<typeof judgeTemplate>
export type JudgeLabels = Judge['labels']
