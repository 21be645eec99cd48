import type { InferenceProviderOrPolicy } from '@huggingface/inference'
import type { JudgeClient } from '../../core/ports.ts'
import { ALL_TAKEN } from './adaptations.ts'
import { oneToken } from './openai.ts'
import { providerJudgeClient, type ProviderOptions } from './provider-call.ts'
import { readFirstToken } from './read-first-token.ts'

export interface HuggingFaceJudgeOptions extends ProviderOptions {
  /** Hub id of the model. */
  model: string
  /** A dedicated Inference Endpoint (or any TGI); without one, `inferenceProvider` or the Hub's choice answers. */
  endpointUrl: string | null
  inferenceProvider: string | null
}

/** A judge on Hugging Face: an Inference Provider by name, the Hub's choice of one, or a dedicated endpoint. */
export function huggingfaceJudgeClient(options: HuggingFaceJudgeOptions): JudgeClient {
  const { model, endpointUrl, inferenceProvider, apiKey } = options
  return providerJudgeClient(
    async ({ messages }, takes, fetch, signal) => {
      // Loaded when first needed: it is as large as the rest of the API together.
      const { chatCompletion } = await import('@huggingface/inference')
      const answer = await chatCompletion(
        {
          model,
          messages,
          logprobs: true,
          top_logprobs: takes.top_logprobs,
          ...oneToken(takes),
          ...(apiKey !== null && { accessToken: apiKey }),
          // The endpoint is already chosen: naming a provider beside it is an error of the client.
          ...(endpointUrl !== null
            ? { endpointUrl }
            : { provider: (inferenceProvider ?? 'auto') as InferenceProviderOrPolicy }),
        },
        { fetch, signal, retry_on_error: false },
      )
      return readFirstToken(answer)
    },
    { takes: ALL_TAKEN, ...options },
  )
}
