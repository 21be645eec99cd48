import { GavelError, type ErrorCode } from './errors.ts'

/** An error on its way between processes or threads, where classes do not survive. */
export interface PackedError {
  code: ErrorCode
  message: string
  param: string | null
  retryAfter: number | null
}

export function packError(error: unknown): PackedError {
  if (error instanceof GavelError) {
    const { code, message, param, retryAfter } = error
    return { code, message, param, retryAfter }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'internal', message, param: null, retryAfter: null }
}

export const unpackError = ({ code, message, param, retryAfter }: PackedError): GavelError =>
  new GavelError(code, message, { ...(param !== null && { param }), ...(retryAfter !== null && { retryAfter }) })
