/** A judge: a named, immutable way to get P(Yes). Creating one under an existing name makes the next version. */
import * as v from 'valibot'
import { judgeAudit, judgeCalibration } from './judge-jobs.ts'
import { boolean, fields, integer, name, number, reference, shortText, text, unixSeconds, version } from './fields.ts'

const url = (description: string) => v.pipe(v.string(), v.maxLength(2048), v.url(), v.description(description))
const apiKey = v.pipe(
  v.string(),
  v.regex(/^[\u0021-\u007e]{1,4096}$/, 'must be 1 to 4096 visible ASCII characters'),
  v.description('Secret of the provider. Write-only: stored encrypted, never given back.'),
)

export const openaiProvider = fields({
  type: v.literal('openai'),
  base_url: url(
    'Any OpenAI-compatible endpoint up to and with its version, e.g. `https://host/v1`. A query, such as Azure’s ' +
      '`?api-version=…`, goes along with every call; it is no place for a secret, since it is given back.',
  ),
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

const decisionEntries = (path: string) => ({
  base_url: url(`The endpoint up to and with its version, e.g. \`https://host/v1\`; ${path} is put after it.`),
  model: shortText("The endpoint's name of the model."),
  api_key: v.optional(apiKey),
})
export const decisionsProvider = fields({ type: v.literal('decisions'), ...decisionEntries('`/decisions`') })
export const systemoneProvider = fields({ type: v.literal('systemone'), ...decisionEntries('`/systemone`') })

export const rerankProvider = fields({
  type: v.literal('rerank'),
  base_url: url('The endpoint that /rerank is put after, e.g. `https://host/v1`.'),
  model: v.optional(shortText("The endpoint's name of the model, where it has more than one.")),
  api_key: v.optional(apiKey),
  dialect: v.optional(
    v.pipe(
      v.picklist(['jina', 'tei']),
      v.description('`jina`: `{model, query, documents}`, as Jina, Cohere, vLLM and SGLang; `tei`: `{query, texts}`.'),
    ),
    'jina',
  ),
  raw_scores: v.optional(
    v.pipe(
      v.boolean(),
      v.description('Whether scores are log-odds, to be put through the logistic function. Default false: in [0, 1].'),
    ),
    false,
  ),
})

export const workersAiProvider = fields({
  type: v.literal('workers_ai'),
  model: shortText("Workers AI's name of the model, e.g. `@cf/…`; one that gives log-probabilities."),
})

export const localProvider = fields({
  type: v.literal('local'),
  model: reference('A model resource, by id or name.'),
  engine: v.optional(
    v.pipe(
      v.picklist(['gavel', 'llama.cpp']),
      v.description(
        '`gavel` is our own engine; `llama.cpp` runs any GGUF through the optional package node-llama-cpp.',
      ),
    ),
    'gavel',
  ),
})

export const ensembleProvider = fields({
  type: v.literal('ensemble'),
  judges: v.pipe(
    v.array(reference('A judge that is no ensemble itself, by id or name.')),
    v.minLength(2),
    v.maxLength(16),
    v.description('The judges that are asked; each counts once.'),
  ),
  combine: v.optional(
    v.pipe(
      v.picklist(['mean', 'min', 'mean_minus_sd']),
      v.description("What is made of the judges' probabilities: their mean, the least, or mean − k·sd, at least 0."),
    ),
    'mean',
  ),
  k: v.optional(number(0, 10, 'Standard deviations (n − 1) taken off by `mean_minus_sd`. Default 1.'), 1),
})

export const judgeProvider = v.variant('type', [
  openaiProvider,
  huggingfaceProvider,
  decisionsProvider,
  systemoneProvider,
  rerankProvider,
  workersAiProvider,
  localProvider,
  ensembleProvider,
])

const wording = {
  system: v.optional(text('System message.')),
  user: text('User message (or the whole text) with `{question}` and `{answer}` in it.'),
}
export const judgeTemplate = v.union([
  shortText('Name of a built-in template.', 64),
  fields({
    ...wording,
    inverted: v.optional(
      v.pipe(fields(wording), v.description('The same question, asked so that Yes means wrong; for `debias`.')),
    ),
  }),
])

export const judgeLabels = fields({
  yes: v.optional(shortText('First token that means correct.', 64), 'Yes'),
  no: v.optional(shortText('First token that means wrong.', 64), 'No'),
})

const tokenIds = v.pipe(
  v.array(integer(0, 2 ** 31 - 1, 'A token id.')),
  v.minLength(1),
  v.maxLength(64),
  v.description('Every token that spells the label.'),
)
export const judgeLabelTokenIds = v.pipe(
  fields({ yes: tokenIds, no: tokenIds }),
  v.check(({ yes, no }) => !yes.some((id) => no.includes(id)), 'has an id for both labels; give each its own'),
)

const price = (of: string) => number(0, 1e6, `US dollars for a million ${of} tokens.`)
export const judgePrice = fields({ input: price('prompt'), output: price('completion') })
export const judgeBudget = v.pipe(
  fields({
    tokens: v.optional(integer(1, Number.MAX_SAFE_INTEGER, 'Most tokens, prompt and completion together.')),
    cost: v.optional(number(0, 1e9, 'Highest cost by `price`, in US dollars.')),
  }),
  v.check(({ tokens, cost }) => tokens !== undefined || cost !== undefined, 'must name `tokens` or `cost`'),
)

/** How a judge asks, beside its provider. */
const askingEntries = {
  template: v.optional(judgeTemplate, 'answer-correctness'),
  rubric: v.optional(text('The criteria, for templates with `{rubric}`.')),
  labels: v.optional(judgeLabels, {}),
  label_token_ids: v.pipe(
    v.optional(judgeLabelTokenIds),
    v.description(
      "Ids of the labels in the vocabulary of the provider's model, for clients of vLLM and SGLang that name labels by them. " +
        'A local judge knows its own.',
    ),
  ),
  debias: v.optional(
    v.pipe(
      v.array(v.picklist(['wording', 'order'])),
      v.maxLength(2),
      v.description(
        '`wording`: ask the inverted question too; `order`: name the labels in the other order too. The probabilities ' +
          'are averaged; each one named doubles the calls. Default none.',
      ),
    ),
    [],
  ),
  min_label_mass: v.optional(
    number(
      0,
      1,
      'Least P(yes label) + P(no label), a fraction, below which the judge counts as abstaining. Default 0.5.',
    ),
    0.5,
  ),
  max_answer_chars: v.optional(
    integer(200, 200_000, 'Longest answer shown whole; of a longer one the middle is left out. Default 16000.'),
    16_000,
  ),
  timeout_ms: v.optional(
    integer(100, 600_000, 'Longest wait for one call of the provider, in ms. Default 30000.'),
    30_000,
  ),
  concurrency: v.optional(
    integer(1, 256, 'Most calls in flight at once, of all requests to one process of the API. Default 64.'),
    64,
  ),
  price: v.optional(v.pipe(judgePrice, v.description('What tokens cost, so that scores can say what they cost.'))),
  budget: v.optional(
    v.pipe(judgeBudget, v.description('Once so much is spent, the judge fails instead of asking its provider.')),
  ),
}

export const createJudge = v.pipe(
  fields({
    name: v.optional(name),
    provider: judgeProvider,
    ...askingEntries,
    probe: v.optional(
      boolean(
        'Whether to try the provider now, with two short calls of at most 10 s, and note what it can (`probe`, `warnings`). ' +
          'The judge is made whatever comes of it. Not for local judges and ensembles. Default false.',
      ),
      false,
    ),
  }),
  v.forward(
    v.check(
      ({ budget, price }) => budget?.cost === undefined || price !== undefined,
      'has a cost, which needs `price` to be reckoned with; give it, or a budget of tokens',
    ),
    ['budget'],
  ),
)
export type CreateJudge = v.InferOutput<typeof createJudge>

export const setJudgeBudget = fields({
  budget: v.pipe(v.nullable(judgeBudget), v.description('Null lifts the limit. What is spent already counts.')),
})

/** What is asked of a provider beside the answer; refusals change it, one field at a time (adapters/judges/adaptations.ts). */
const providerTakes = v.object({
  top_logprobs: v.pipe(v.number(), v.description('How many alternatives of the first token are asked for.')),
  max_tokens_field: v.picklist(['max_tokens', 'max_completion_tokens']),
  max_tokens: v.pipe(
    v.number(),
    v.description('1, or the least that the provider takes; only the first token is read.'),
  ),
  temperature: v.pipe(v.boolean(), v.description('Whether `temperature: 0` is sent.')),
  chat_template_kwargs: v.pipe(v.boolean(), v.description('Whether a model that can think is told not to.')),
})

const tokens = v.array(v.object({ token: v.string(), probability: v.number() }))
/** What was found when a judge was tried. */
export const judgeProbe = v.object({
  created_at: unixSeconds,
  usable: v.pipe(v.boolean(), v.description('Whether it gave a score.')),
  reason: v.pipe(v.nullable(v.string()), v.description('Why it gave none; else null.')),
  takes: v.pipe(v.nullable(providerTakes), v.description('Of a provider that is asked for tokens: what it takes.')),
  alternatives: v.pipe(v.nullable(v.number()), v.description('Tokens that came with a log-probability.')),
  label_tokens: v.pipe(
    v.nullable(v.object({ yes: tokens, no: tokens })),
    v.description('Those that carry a label, likeliest first.'),
  ),
  probability: v.nullable(v.number()),
  label_mass: v.nullable(v.number()),
  latency_ms: v.pipe(v.nullable(v.number()), v.description('Of the second call, which finds connections open.')),
  repeat_difference: v.pipe(
    v.nullable(v.number()),
    v.description('How far apart the probabilities of two equal calls were; null where one gave none.'),
  ),
})
export type JudgeProbe = v.InferOutput<typeof judgeProbe>

const withoutSecret = <E extends v.ObjectEntries>(entries: E) => v.object({ ...entries, has_api_key: v.boolean() })

/** What every part of Gavel but the API's own storage sees of a judge: no secret. */
export const judge = v.object({
  id: v.string(),
  object: v.literal('judge'),
  name: v.nullable(v.string()),
  version,
  created_at: unixSeconds,
  provider: v.variant('type', [
    withoutSecret(v.omit(openaiProvider, ['api_key']).entries),
    withoutSecret(v.omit(huggingfaceProvider, ['api_key']).entries),
    withoutSecret(v.omit(decisionsProvider, ['api_key']).entries),
    withoutSecret(v.omit(systemoneProvider, ['api_key']).entries),
    withoutSecret(v.omit(rerankProvider, ['api_key']).entries),
    v.object(workersAiProvider.entries),
    v.object(localProvider.entries),
    v.object(ensembleProvider.entries),
  ]),
  template: judgeTemplate,
  rubric: askingEntries.rubric,
  labels: v.object({ yes: v.string(), no: v.string() }),
  label_token_ids: askingEntries.label_token_ids,
  debias: v.array(v.picklist(['wording', 'order'])),
  min_label_mass: v.number(),
  max_answer_chars: v.number(),
  timeout_ms: v.number(),
  concurrency: v.number(),
  price: askingEntries.price,
  budget: askingEntries.budget,
  spent: v.pipe(
    v.optional(v.object({ tokens: v.number(), cost: v.number() })),
    v.description('What was spent so far, of a judge with a budget.'),
  ),
  calibration: v.pipe(v.optional(judgeCalibration), v.description('Made by a `judge.calibrate` job.')),
  audit: v.pipe(v.optional(judgeAudit), v.description('The newest finding of a `judge.audit` job.')),
  probe: v.pipe(v.optional(judgeProbe), v.description('What was found when it was last tried.')),
  warnings: v.pipe(
    v.optional(v.array(v.string())),
    v.description('What was found wrong with it when it was tried or asked, and what to change.'),
  ),
})
export type Judge = v.InferOutput<typeof judge>
export type JudgeTemplate = v.InferOutput<typeof judgeTemplate>
export type JudgeLabels = Judge['labels']
export type EnsembleProvider = v.InferOutput<typeof ensembleProvider>

const count = (description: string) => v.pipe(v.number(), v.description(description))
export const judgeCache = v.object({
  object: v.literal('judge.cache'),
  judge: v.pipe(v.string(), v.description('The version that gave the judgments.')),
  entries: count('Judgments that are kept.'),
  hits: count('How often one of them stood in for asking the judge.'),
  misses: count('How often there was none.'),
})
export type JudgeCache = v.InferOutput<typeof judgeCache>
