import type { JudgeClient } from '../../core/ports.ts'
import { openaiJudgeClient } from './openai.ts'
import type { ProviderOptions } from './provider-call.ts'

export interface HuggingFaceJudgeOptions extends ProviderOptions {
  /** Hub id of the model. */
  model: string
  /** A dedicated Inference Endpoint (or any TGI); without one, `inferenceProvider` or the Hub's choice answers. */
  endpointUrl: string | null
  inferenceProvider: string | null
}

/** Speaks OpenAI's chat for every inference provider; one is chosen by its name after the model's. */
const ROUTER = 'https://router.huggingface.co/v1'

/** A judge on Hugging Face: an Inference Provider by name, the Hub's choice of one, or a dedicated endpoint. */
export function huggingfaceJudgeClient(options: HuggingFaceJudgeOptions): JudgeClient {
  const { model, endpointUrl, inferenceProvider, ...rest } = options
  const chat = { ...rest, api: 'chat' as const }
  if (endpointUrl !== null) {
    return openaiJudgeClient({ ...chat, model, baseUrl: `${endpointUrl.replace(/(\/v1)?\/*$/, '')}/v1` })
  }
  const routed = inferenceProvider === null ? model : `${model}:${inferenceProvider}`
  return openaiJudgeClient({ ...chat, model: routed, baseUrl: ROUTER })
}
