import { GavelError } from '../../core/errors.ts'
import { carriesLabel } from '../../core/judges/labels.ts'
import type { FirstTokenLogprobs, JudgeClient, JudgeRequest } from '../../core/ports.ts'
import { ChatTemplate } from '../text/chat-template.ts'

/** What we use of node-llama-cpp 3.22.1, which is not there unless the user has installed it: 700 MB. */
interface LlamaPackage {
  getLlama(options: object): Promise<{ loadModel(options: { modelPath: string }): Promise<LlamaModel> }>
  LlamaLogLevel: { error: unknown }
}
interface LlamaModel {
  trainContextSize: number
  fileInfo: { metadata: { tokenizer?: { chat_template?: string; ggml?: { tokens?: readonly string[] } } } }
  tokens: { bos: number | null; bosString: string | null; eosString: string | null; shouldPrependBosToken: boolean }
  tokenize(text: string, specialTokens: boolean): number[]
  detokenize(tokens: readonly number[], specialTokens: boolean): string
  createContext(options: object): Promise<{ contextSize: number; getSequence(): LlamaSequence }>
}
interface LlamaSequence {
  /** How many tokens are evaluated. */
  nextTokenIndex: number
  eraseContextTokenRanges(ranges: { start: number; end: number }[]): Promise<void>
  controlledEvaluate(
    input: (number | [number, { generateNext: { probabilities: true } }])[],
  ): Promise<({ next: { probabilities?: Map<number, number> } } | undefined)[]>
}

const PACKAGE = 'node-llama-cpp'
/** Longest prompt, in tokens, where the model allows for more: the cache of a context is allocated as a whole. */
const MAX_CONTEXT = 16_384

/**
 * A judge that is a GGUF file run by llama.cpp, in this process: any architecture, on a GPU where there is one. The
 * messages go through the file's own chat template. What two prompts of a call have in common at their beginning is
 * computed once.
 *
 * @throws GavelError `unavailable_here` where node-llama-cpp is not installed, `corrupt_model` for a file it cannot load,
 *   and, when asked, `judge_labels_not_single_token`
 */
export async function llamaJudgeClient(
  path: string,
  { threads, labels }: { threads?: number | undefined; labels?: { yes: string; no: string } },
): Promise<JudgeClient> {
  const model = await loadModel(path)
  const labelTokens = vocabularyOf(model)
  const idsOf = (label: string) => labelTokens([label]).map(({ id }) => id)
  const own = labels && { yes: idsOf(labels.yes), no: idsOf(labels.no) }
  const context = await model.createContext({
    contextSize: { max: Math.min(MAX_CONTEXT, model.trainContextSize) },
    // Its flash attention rounds by how many tokens a pass has, so that P(Yes) would depend on what else was asked: by 0.03
    // on a CPU.
    flashAttention: false,
    ...(threads !== undefined && { threads }),
  })
  const sequence = context.getSequence()
  let evaluated: number[] = []

  async function logprobs(ids: readonly number[]): Promise<Map<number, number>> {
    // The last token is evaluated anew, for what comes after it.
    let shared = 0
    while (shared < ids.length - 1 && evaluated[shared] === ids[shared]) shared++
    await sequence.eraseContextTokenRanges([{ start: shared, end: sequence.nextTokenIndex }])
    // Some architectures can only forget everything.
    const from = sequence.nextTokenIndex
    evaluated = [...ids]
    const rest = ids.slice(from, -1)
    const results = await sequence.controlledEvaluate([
      ...rest,
      [ids.at(-1)!, { generateNext: { probabilities: true } }],
    ])
    const probabilities = results.at(-1)?.next.probabilities
    if (!probabilities) throw new Error('llama.cpp gave no probabilities')
    return probabilities
  }

  async function score({ messages, labels }: JudgeRequest): Promise<FirstTokenLogprobs | Error> {
    const tokens = labelTokens(labels)
    const started = performance.now()
    const ids = encodeChat(model, messages)
    if (ids.length === 0) return new GavelError('unprocessable', 'there is nothing to judge: the prompt is empty')
    if (ids.length >= context.contextSize) {
      const message = `question and answer make ${ids.length} tokens, more than the ${context.contextSize - 1} of the judge's context; shorten them`
      return new GavelError('prompt_too_long', message)
    }
    const probabilities = await logprobs(ids)
    return {
      logprobs: tokens.map(({ token, id }) => ({ token, logprob: Math.log(probabilities.get(id) ?? 0) })),
      complete: true,
      usage: { promptTokens: ids.length, completionTokens: 0 },
      latencyMs: performance.now() - started,
    }
  }

  /** One prompt at a time: there is one sequence. */
  let queue: Promise<unknown> = Promise.resolve()
  return {
    async firstTokenLogprobs(requests, signal) {
      const answers: (FirstTokenLogprobs | Error)[] = []
      const work = queue.then(async () => {
        // What was asked before must not tell in the last digits: a run that goes on asks a model that is freshly loaded.
        evaluated = []
        for (const request of requests) {
          signal?.throwIfAborted()
          answers.push(await score(request))
        }
      })
      queue = work.catch(() => {})
      await work
      return answers
    },
    ...(own && { labelTokens: async () => own }),
  }
}

async function loadModel(path: string): Promise<LlamaModel> {
  const llama = await loadPackage()
  try {
    const engine = await llama.getLlama({ build: 'never', progressLogs: false, logLevel: llama.LlamaLogLevel.error })
    return await engine.loadModel({ modelPath: path })
  } catch (cause) {
    throw new GavelError('corrupt_model', `${path}: llama.cpp cannot load it: ${(cause as Error).message}`, { cause })
  }
}

async function loadPackage(): Promise<LlamaPackage> {
  try {
    return (await import(PACKAGE)) as LlamaPackage
  } catch (cause) {
    const message = `This judge runs on llama.cpp, and the package ${PACKAGE} is not installed here. Run \`npm install --save-prod ${PACKAGE}@3.22.1\` (700 MB) where Gavel is installed, or use the engine \`gavel\`.`
    throw new GavelError('unavailable_here', message, { param: 'provider.engine', cause })
  }
}

/** The messages as the model was trained to see them, without thinking; one after the other where it has no template. */
function encodeChat(model: LlamaModel, messages: JudgeRequest['messages']): number[] {
  const { bos, bosString, eosString, shouldPrependBosToken } = model.tokens
  const source = model.fileInfo.metadata.tokenizer?.chat_template
  if (source === undefined) {
    const ids = model.tokenize(messages.map(({ content }) => content).join('\n'), true)
    return shouldPrependBosToken && bos !== null && ids.length > 0 ? [bos, ...ids] : ids
  }
  const special = { ...(bosString && { bos_token: bosString }), ...(eosString && { eos_token: eosString }) }
  const text = new ChatTemplate(source, special).render(messages, { args: { enable_thinking: false } })
  return model.tokenize(text, true)
}

/** Finds the single tokens that carry labels, from the model's whole vocabulary; each set of labels once. */
function vocabularyOf(model: LlamaModel): (labels: readonly string[]) => { token: string; id: number }[] {
  const size = model.fileInfo.metadata.tokenizer?.ggml?.tokens?.length ?? 0
  const texts = Array.from({ length: size }, (_, id) => model.detokenize([id], true))
  const known = new Map<string, { token: string; id: number }[]>()
  return (labels) => {
    const key = JSON.stringify(labels)
    const found = known.get(key) ?? labels.flatMap((label) => carriers(label))
    known.set(key, found)
    return found
  }

  function carriers(label: string): { token: string; id: number }[] {
    const found = texts.flatMap((token, id) => (carriesLabel(token, label) ? [{ token, id }] : []))
    if (found.length > 0) return found
    throw new GavelError(
      'judge_labels_not_single_token',
      `the label '${label}' is not a single token of this judge's vocabulary in any spelling. Choose a shorter one.`,
      { param: 'labels' },
    )
  }
}
