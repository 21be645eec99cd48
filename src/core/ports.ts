/** Every dependency on the outside world, as an interface. Adapters implement them; core only names them. */

/** Wall-clock time in milliseconds since the epoch. */
export interface Clock {
  now(): number
}

/** Uniform numbers in [0, 1). Seeded wherever a result depends on them. */
export interface Rng {
  uniform(): number
}

/** Cryptographically strong bytes for ids and keys. */
export interface Entropy {
  bytes(count: number): Uint8Array
}

/**
 * Wakes whoever waits for news of something: of one job, by its id, or that a job may be claimed, {@link CLAIMABLE}.
 * Only a doorbell: SQL holds the truth.
 */
export interface JobBell {
  ring(of: string): void
  /** Hears every ring from now on. */
  listen(of: string): Listener
}
export interface Listener {
  /**
   * Resolves at the next ring, at once where one came since the last call, and after `timeoutMs` at the latest; sooner
   * where rings may come from elsewhere and are not heard.
   */
  next(timeoutMs: number): Promise<void>
  /** Call it when done. */
  close(): void
}
export const CLAIMABLE = 'claimable'

/** How requests that compute share a process, which does one thing at a time. */
export interface Turns {
  /** A clock in ms that never goes back. */
  now(): number
  /** How long the processor has worked, in ms. It may stand still while something is computed. */
  worked(): number
  /** Whether the process was held for so long that whoever waits should be heard. */
  due(): boolean
  /**
   * Resolves when it is the caller's turn again.
   * @param whose callers of each name take turns
   * @returns how long the caller held the process, in ms, where {@link worked} could not tell; else 0
   */
  next(whose: string): Promise<number>
}

/** Counts the bytes of bodies that all requests of a process hold. */
export interface BodyRoom {
  /**
   * Whether there is room for more bytes, which are then taken.
   * @param whose tenant
   * @param held by the request already
   */
  take(whose: string, held: number, more: number): boolean
  give(whose: string, bytes: number): void
}

export interface BlobHead {
  key: string
  size: number
}

/** An object's bytes as they come, for what is too large to hold. */
export interface BlobStream {
  size: number
  body: ReadableStream<Uint8Array>
}

/**
 * An object store: R2, S3 or a folder. Keys are `/`-separated, without a leading slash.
 * @throws GavelError `storage_unavailable` where the store cannot be reached, `disk_full` where it has no room
 */
export interface BlobStore {
  get(key: string): Promise<Uint8Array | null>
  /** @param from the first byte that is wanted; `size` of the answer is that of the whole object */
  stream(key: string, from?: number): Promise<BlobStream | null>
  head(key: string): Promise<BlobHead | null>
  /**
   * Writes an object whole or not at all. A stream must hold exactly `size` bytes, else nothing is stored.
   * With `ifAbsent`, writes only when nothing is stored under the key, and answers whether it did.
   */
  put(
    key: string,
    body: Uint8Array | BlobStream,
    options?: { ifAbsent?: boolean; contentType?: string },
  ): Promise<boolean>
  delete(key: string): Promise<void>
  /** All keys below a prefix, in lexical order. */
  list(prefix: string): Promise<BlobHead[]>
  /**
   * A URL that lets its holder read (or write) one object without credentials, where the store has such. With `ifAbsent` what
   * is sent must have the header `If-None-Match: *`, and is answered 412 where something is stored under the key.
   */
  presign(
    key: string,
    method: 'GET' | 'PUT',
    expiresInSeconds: number,
    options?: { ifAbsent?: boolean },
  ): Promise<string | null>
  /** What is too large for one request is written in parts. */
  parts: BlobParts
  room(): Promise<BlobRoom>
  /** Forgets writes that a killed process left unfinished a day ago, where the store does not do so by itself. */
  sweep(): Promise<void>
}

/** Most parts of one object, by S3's rules. */
export const MAX_PARTS = 10_000

/**
 * Writes of objects in parts, each sent by itself, in any order, and again where it was lost. There is no object until
 * the last call. All parts but the last are of one size.
 */
export interface BlobParts {
  /** What a part should have, in bytes; an object of no more is put at once. */
  partBytes: number
  /** @returns the upload's id */
  begin(key: string, partBytes: number): Promise<string>
  /**
   * @param number from 1
   * @returns what {@link finish} wants of the part: its ETag
   * @throws GavelError `invalid_request` where the upload is over, or the stream does not hold `size` bytes
   */
  put(key: string, upload: string, number: number, body: BlobStream): Promise<string>
  /** A URL to PUT one part to, whose answer has its ETag as a header; null where the store has none. */
  presign(key: string, upload: string, number: number, expiresInSeconds: number): Promise<string | null>
  /**
   * Makes the parts the object; where the store can look at the same moment, only while there is none.
   * @param etags of all parts, in order
   * @throws GavelError `invalid_request` where the upload is over, or a part is missing or another; `conflict` where there is an object
   */
  finish(key: string, upload: string, etags: readonly string[]): Promise<void>
  /** Ends an upload and forgets its parts; one that is over is left alone. */
  abort(key: string, upload: string): Promise<void>
  /**
   * Ends all uploads of keys below a prefix of which `isOver` holds, where the store can list them; R2 by its binding
   * cannot, and ends them itself after a week.
   */
  abortAll(prefix: string, isOver?: (key: string) => boolean): Promise<void>
}

/** What a store can take. */
export interface BlobRoom {
  /** Largest object, in bytes. */
  objectBytes: number
  /** Free space in bytes; null where that is not known. */
  freeBytes: number | null
  /** Names the disk that it lies on, as `diskOf` does (adapters/node); null where it is none of a machine. */
  volume: string | null
}

/** One question to a judge model: messages in, the first token's distribution out. */
export interface JudgeRequest {
  messages: { role: 'system' | 'user' | 'assistant'; content: string }[]
  /** The label texts whose probability mass is wanted, e.g. `["Yes", "No"]`. */
  labels: readonly string[]
}

/** Tokens that asking took, as far as they are known. */
export interface TokenUsage {
  promptTokens: number
  completionTokens: number
  /** Calls whose provider gave counts that are none: unknown, and in neither sum. Absent where there are none. */
  uncounted?: number
}

/** Log-probabilities (natural log) of candidate first tokens, as the provider reports them; −∞ for one that cannot be. */
export interface FirstTokenLogprobs {
  logprobs: { token: string; logprob: number }[]
  /** Whether `logprobs` holds every variant of every label (local models), or only a provider's top k. */
  complete: boolean
  usage: TokenUsage
  /** From the first try to the answer, in ms; of a model here, of all that were asked together. */
  latencyMs?: number
}

/** What a provider is asked for beside the answer, as far as it takes that; the schema of judges describes the fields. */
export interface ProviderTakes {
  top_logprobs: number
  max_tokens_field: 'max_tokens' | 'max_completion_tokens'
  max_tokens: number
  temperature: boolean
  chat_template_kwargs: boolean
}

/** Ids of the tokens that carry each label in a judge's own vocabulary. */
export interface LabelTokens {
  yes: number[]
  no: number[]
}

/**
 * A way to reach a judge model. Answers come in the order of the requests; one entry is either the
 * distribution or the error that kept it from being had. The call as a whole never rejects for one item. One that is
 * aborted rejects with the reason of its signal, or, where it has answers by then, gives these, and that reason for the rest.
 */
export interface JudgeClient {
  firstTokenLogprobs(requests: JudgeRequest[], signal?: AbortSignal): Promise<(FirstTokenLogprobs | Error)[]>
  /** The token ids that carry the judge's own labels. Only where its tokenizer is at hand. */
  labelTokens?(): Promise<LabelTokens>
  /** What is asked of a provider by now, after all that it refused. Only of one that is asked for tokens. */
  takes?(): ProviderTakes
}

/** A call of one function of a Python program. */
export interface ProgramCall {
  source: string
  entry: string
  /** JSON values. */
  args: readonly unknown[]
}

/** What became of a call. Only `returned` carries a value. */
export type ProgramOutcome =
  /** `text`: the value as mathematics is written, null where it is no answer (`None`); `number`: where it is a finite one. */
  | { outcome: 'returned'; text: string | null; number: number | null; output: string }
  /** The program is no Python, lacks the function, or raised. */
  | { outcome: 'raised'; error: string; output: string }
  /** It took too long, or brought the interpreter down. */
  | { outcome: 'stopped'; error: string }

/** Runs Python programs where they can do no harm, and each as if it were the first. */
export interface ProgramRunner {
  /**
   * @throws GavelError `sandbox_unavailable` when no interpreter can be started, `rate_limited` where too many wait already;
   *   never for what a program does. The reason of its asker's signal, once that is aborted
   */
  call(program: ProgramCall): Promise<ProgramOutcome>
}

/** For whom programs run: tenants take turns, and so do one tenant's askers. */
export interface ProgramAsker {
  tenant: string
  /** Ends all that wait or run for this asker. */
  signal?: AbortSignal
}

/** Where programs run, of many tenants. */
export interface ProgramHost {
  /** A runner for one asker, such as a request or a job. */
  runnerFor(asker: ProgramAsker): ProgramRunner
}
