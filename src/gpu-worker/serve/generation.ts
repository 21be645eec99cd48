/** What a model service is asked and answers, whatever the dialect. Plain data: it crosses processes. */
import type { ChatMessage } from '../text/text-codec.ts'
import type { AnswerFormat } from './json-grammar.ts'
import type { Sampling } from './token-sampler.ts'
import type { TokenLogprob, WantedLogprobs } from './token-logprobs.ts'

export interface Conversation {
  messages: ChatMessage[]
  /** Ends where the assistant is to answer. */
  addGenerationPrompt: boolean
  /** Ends within the last message, which the answer goes on with. */
  continueFinalMessage: boolean
  /** What the chat template is told beside the messages. */
  args: Record<string, unknown>
}

export interface StopRule {
  texts: string[]
  ids: number[]
  /** Goes on after a token that ends texts. */
  ignoreEos: boolean
  /** Shows what the answer stopped at. */
  includeStop: boolean
}

export interface GenerationRequest {
  /** One text to go on from, as text, as token ids or as a conversation. */
  input: string | number[] | Conversation
  /** Puts before a text what the tokenizer puts before texts, such as BOS. */
  addSpecialTokens: boolean
  /** Keeps no more tokens of the prompt than that, those of its end (`left` is cut) or of its beginning. −1: as there is room for. */
  truncate: { tokens: number; side: 'left' | 'right' } | null
  /** Ways to go on, each drawn for itself. */
  n: number
  /** Tokens of one way at most; null is up to the end of the context; 0 is none, for what is said of the prompt. */
  maxTokens: number | null
  sampling: Sampling
  stop: StopRule
  /** What the answer must be; null is any text. */
  format: AnswerFormat | null
  seed: number | string
  skipSpecialTokens: boolean
  /** Every answer begins with its prompt. */
  echo: boolean
  /** Tells of each token. */
  tokens: boolean
  /** The log-probabilities to tell with it, where any. */
  logprobs: WantedLogprobs | null
  /** How many likeliest tokens to tell of at every place of the prompt. */
  promptLogprobs: number | null
}

/** A token by its name: its text; `bytes:\xe2\x80` for what is no text by itself. */
export interface NamedLogprob extends TokenLogprob {
  token: string
  bytes: number[]
}

/** A token of an answer. */
export interface TokenInfo {
  id: number
  /** What it adds to the text: the texts of all tokens, one after the other, are the answer. */
  text: string
  /** The same of its bytes, also where a character is spread over several tokens. */
  bytes: number[]
  /** Null for the first token of an echoed prompt, and where none were asked for. */
  logprob: number | null
  top: NamedLogprob[]
}

/** What is known of a prompt. */
export interface PromptInfo {
  ids: number[]
  /** For each of its tokens, itself and the likeliest; null for the first, before which there is nothing. */
  logprobs: (({ rank: number } & NamedLogprob)[] | null)[] | null
}

/** News of one way to go on. */
export interface GenerationPart {
  choice: number
  text: string
  /** The tokens of this text, where they were asked for. */
  tokens: TokenInfo[]
  /** With the first part of a choice. */
  prompt?: PromptInfo
  finish: 'stop' | 'length' | null
  /** The stop text, or the id among `stop.ids`, that ended it. */
  stopReason: string | number | null
}

export interface GenerationUsage {
  promptTokens: number
  completionTokens: number
}
