import { GavelError } from '../../core/errors.ts'
import { chooseLabelTokens, labelVariants } from '../../core/judges/labels.ts'
import type { FirstTokenLogprobs, JudgeClient, JudgeRequest, LabelTokens } from '../../core/ports.ts'
import type { ModelFolder } from '../models/source.ts'
import { LabelScorer } from '../rollout/label-scorer.ts'
import type { SessionOptions } from '../runtime/session.ts'
import type { TextCodec } from '../text/text-codec.ts'

export interface LocalJudgeOptions extends SessionOptions {
  /** The judge's own: checked at once when given, instead of at the first question; their token ids are then told. */
  labels?: { yes: string; no: string }
}

/** Longest text, whatever the model's context: tables of positions are made for it. */
const MOST_TOKENS = 2 ** 17

/**
 * A judge that is a model of our own, in this process: the messages through its chat template (their contents, a
 * line each, where it has none), and the exact probability of every spelling of each label as the next token.
 * A text longer than the model's context (or than {@link MOST_TOKENS}) is that item's error; nothing is ever cut.
 * Creating it and asking it throw `judge_labels_not_single_token`.
 */
export async function localJudgeClient(
  { model, weights, codec }: Pick<ModelFolder, 'model' | 'weights' | 'codec'>,
  { labels, ...options }: LocalJudgeOptions = {},
): Promise<JudgeClient> {
  const own = labels && labelIds(codec, [labels.yes, labels.no])
  const maxTokens = Math.min(model.contextLength, MOST_TOKENS)
  const scorer = await LabelScorer.create(model, weights, { ...options, maxTokens })

  const tokensOf = ({ messages }: JudgeRequest): number[] | Error => {
    try {
      // What is read is the first token of the answer, so there is no room for a thought.
      const ids = codec.encodeChat(messages, { args: { enable_thinking: false } })
      if (ids.length === 0) return new GavelError('invalid_request', 'there is nothing to judge: the prompt is empty')
      if (ids.length <= maxTokens) return ids
      const message = `question and answer make ${ids.length} tokens, more than the ${maxTokens} of the judge's context; shorten them`
      return new GavelError('prompt_too_long', message)
    } catch (error) {
      return error as Error
    }
  }

  /** Those that ask for the same labels, together. */
  const score = async (requests: readonly JudgeRequest[]): Promise<(FirstTokenLogprobs | Error)[]> => {
    const pieces = labelPieces(codec, requests[0]!.labels)
    const started = performance.now()
    const texts = requests.map(tokensOf)
    const scorable = texts.filter((text): text is number[] => !(text instanceof Error))
    const scores = await scorer.score(
      scorable,
      pieces.map(({ id }) => id),
    )
    const latencyMs = performance.now() - started
    return texts.map((text) => {
      if (text instanceof Error) return text
      const values = scores.shift()!
      return {
        logprobs: pieces.map(({ token }, i) => ({ token, logprob: values[i]! })),
        complete: true,
        usage: { promptTokens: text.length, completionTokens: 0 },
        latencyMs,
      }
    })
  }

  return {
    async firstTokenLogprobs(requests, signal) {
      const byLabels = Map.groupBy(requests.keys(), (i) => JSON.stringify(requests[i]!.labels))
      const answers: (FirstTokenLogprobs | Error)[] = []
      for (const group of byLabels.values()) {
        signal?.throwIfAborted()
        const scored = await score(group.map((i) => requests[i]!))
        group.forEach((i, k) => (answers[i] = scored[k]!))
      }
      return answers
    },
    ...(own && { labelTokens: async () => own }),
  }
}

/** The vocabulary's pieces that carry the labels. Throws `judge_labels_not_single_token`. */
function labelPieces(codec: TextCodec, labels: readonly string[]): { token: string; id: number }[] {
  labelIds(codec, labels)
  return labels.flatMap(labelVariants).flatMap((token) => {
    const id = codec.idOf(token)
    return id === undefined ? [] : [{ token, id }]
  })
}

/** The same as ids, of each of the first two labels. Throws `judge_labels_not_single_token`. */
function labelIds(codec: TextCodec, [yes = '', no = '']: readonly string[]): LabelTokens {
  return chooseLabelTokens((piece) => codec.idOf(piece), { yes, no })
}
