import { GavelError } from '../../core/errors.ts'
import type { JudgeClient } from '../../core/ports.ts'
import type { Judge } from '../../core/schemas/judge.ts'
import { decisionsJudgeClient, systemoneJudgeClient } from './decisions.ts'
import { huggingfaceJudgeClient } from './huggingface.ts'
import { openaiJudgeClient } from './openai.ts'
import type { ProviderOptions } from './provider-call.ts'
import { rerankJudgeClient } from './rerank.ts'

type Provider<T extends Judge['provider']['type']> = Extract<Judge['provider'], { type: T }>

/** What a binding is asked at: it has no address, and goes nowhere by this one. */
const WORKERS_AI = 'https://workers-ai.invalid'

interface RemoteOptions extends ProviderOptions {
  /** Workers AI's binding, where this process has one. */
  workersAi?: typeof fetch | undefined
}

const CLIENTS = {
  openai: ({ base_url, model, api }, options) => openaiJudgeClient({ ...options, baseUrl: base_url, model, api }),
  huggingface: ({ model, endpoint_url, inference_provider }, options) =>
    huggingfaceJudgeClient({
      ...options,
      model,
      endpointUrl: endpoint_url ?? null,
      inferenceProvider: inference_provider ?? null,
    }),
  decisions: ({ base_url, model }, options) => decisionsJudgeClient({ ...options, baseUrl: base_url, model }),
  systemone: ({ base_url, model }, options) => systemoneJudgeClient({ ...options, baseUrl: base_url, model }),
  rerank: ({ base_url, model = null, dialect, raw_scores }, options) =>
    rerankJudgeClient({ ...options, baseUrl: base_url, model, dialect, rawScores: raw_scores }),
  workers_ai: ({ model }, { workersAi, ...options }) => {
    if (workersAi) return openaiJudgeClient({ ...options, fetch: workersAi, baseUrl: WORKERS_AI, model, api: 'chat' })
    const message =
      'This server has no Workers AI: only a deployment on Cloudflare with the `[ai]` binding of wrangler.toml has. ' +
      'Elsewhere use an openai provider with the OpenAI-compatible endpoint of your Cloudflare account.'
    throw new GavelError('unavailable_here', message, { param: 'judge' })
  },
  ensemble: () => {
    throw new GavelError('invalid_request', 'An ensemble has no model of its own to ask.', { param: 'judge' })
  },
  local: () => {
    throw new GavelError(
      'unavailable_here',
      'A local judge runs only where the engine does: on a worker or a Node server with one. Use it there, or create ' +
        'the judge with an openai or huggingface provider.',
      { param: 'judge' },
    )
  },
} satisfies { [T in Judge['provider']['type']]: (provider: Provider<T>, options: RemoteOptions) => JudgeClient }

/**
 * The client of a judge that is reached over HTTP.
 *
 * @param apiKey of its provider, null where it has none
 * @param environment the fetch to use (an entry passes one that refuses private addresses) and the sources of time and jitter
 * @throws GavelError unavailable_here for a local judge, and for Workers AI where it is not at hand
 */
export function remoteJudgeClient(
  judge: Pick<Judge, 'provider' | 'timeout_ms' | 'concurrency' | 'probe'>,
  apiKey: string | null,
  environment: Pick<RemoteOptions, 'fetch' | 'workersAi' | 'timeout' | 'rng' | 'backoffMs' | 'retries'> = {},
): JudgeClient {
  const { timeout_ms: timeoutMs, concurrency, probe } = judge
  const options = { ...environment, apiKey, timeoutMs, concurrency, ...(probe?.takes && { takes: probe.takes }) }
  const create = CLIENTS[judge.provider.type] as (provider: Judge['provider'], options: RemoteOptions) => JudgeClient
  return create(judge.provider, options)
}
