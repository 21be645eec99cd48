/**
 * The one family of errors. Everything that can go wrong at a boundary is a `GavelError` whose `code`
 * is a key of {@link ERRORS}; the HTTP layer turns it into `{error: {message, type, code, param}}`.
 *
 * A message says what was wrong, where, and what to do about it.
 */
export const ERRORS = {
  invalid_request: { status: 400, type: 'invalid_request_error', retryable: false },
  malformed_json: { status: 400, type: 'invalid_request_error', retryable: false },
  bad_dataset_line: { status: 422, type: 'invalid_request_error', retryable: false },
  unauthorized: { status: 401, type: 'authentication_error', retryable: false },
  forbidden: { status: 403, type: 'permission_error', retryable: false },
  not_found: { status: 404, type: 'not_found_error', retryable: false },
  method_not_allowed: { status: 405, type: 'invalid_request_error', retryable: false },
  conflict: { status: 409, type: 'conflict_error', retryable: false },
  stale_fence: { status: 409, type: 'conflict_error', retryable: false },
  too_large: { status: 413, type: 'invalid_request_error', retryable: false },
  unsupported_media_type: { status: 415, type: 'invalid_request_error', retryable: false },
  judge_labels_not_single_token: { status: 422, type: 'invalid_request_error', retryable: false },
  unsupported_model: { status: 422, type: 'invalid_request_error', retryable: false },
  /** The hub has no such model, file or revision, or does not let this worker have it. */
  model_inaccessible: { status: 422, type: 'invalid_request_error', retryable: false },
  corrupt_model: { status: 422, type: 'invalid_request_error', retryable: false },
  /** What no schema can say: fields that do not go together, text that cannot be made sense of. */
  unprocessable: { status: 422, type: 'invalid_request_error', retryable: false },
  prompt_too_long: { status: 422, type: 'invalid_request_error', retryable: false },
  unavailable_here: { status: 422, type: 'invalid_request_error', retryable: false },
  /** Unlike a rate, nothing that a short wait would mend. */
  budget_spent: { status: 429, type: 'rate_limit_error', retryable: false },
  rate_limited: { status: 429, type: 'rate_limit_error', retryable: true },
  diverged: { status: 500, type: 'training_error', retryable: false },
  /** The process of a job did not get on, or took more memory than its worker lets it have, and was ended from outside. */
  no_progress: { status: 500, type: 'training_error', retryable: false },
  out_of_memory: { status: 500, type: 'training_error', retryable: false },
  internal: { status: 500, type: 'api_error', retryable: true },
  judge_unreachable: { status: 502, type: 'upstream_error', retryable: true },
  model_download_failed: { status: 502, type: 'upstream_error', retryable: true },
  /** Others are served just now; a short wait mends it. */
  busy: { status: 503, type: 'api_error', retryable: true },
  storage_unavailable: { status: 503, type: 'api_error', retryable: true },
  sandbox_unavailable: { status: 503, type: 'api_error', retryable: true },
  model_unavailable: { status: 503, type: 'api_error', retryable: true },
  disk_full: { status: 507, type: 'api_error', retryable: true },
} as const satisfies Record<string, { status: number; type: string; retryable: boolean }>

export type ErrorCode = keyof typeof ERRORS

/** Whether clients that know no more of an answer than its status send the request again, as OpenAI's do. */
const isRepeated = (status: number) => status === 408 || status === 409 || status === 429 || status >= 500

/** A client that is told to come back later than this need not wait for it, in seconds. */
const LONGEST_RETRY_S = 60

export class GavelError extends Error {
  readonly code: ErrorCode
  readonly param: string | null
  /** Seconds after which the same may succeed, where that is known. */
  readonly retryAfter: number | null

  /** @param param the field, file or row that was wrong, as the caller named it */
  constructor(
    code: ErrorCode,
    message: string,
    options: { param?: string; cause?: unknown; retryAfter?: number } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = 'GavelError'
    this.code = code
    this.param = options.param ?? null
    this.retryAfter = options.retryAfter ?? null
  }

  get status(): number {
    return ERRORS[this.code].status
  }

  get type(): string {
    return ERRORS[this.code].type
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable
  }

  /** Whether clients must be told not to send the request again (`x-should-retry: false`), which they would by its status. */
  get refusesRetry(): boolean {
    const inVain = !this.retryable || (this.retryAfter ?? 0) > LONGEST_RETRY_S
    return isRepeated(this.status) && inVain
  }

  /** The body every error response carries, in OpenAI's shape. */
  toBody() {
    return { error: { message: this.message, type: this.type, code: this.code, param: this.param } }
  }
}
