import { GavelError, type ErrorCode } from '../../core/errors.ts'

/** An error on its way between processes, where classes do not survive. */
export interface PackedError {
  code: ErrorCode
  message: string
  param: string | null
}

export function packError(error: unknown): PackedError {
  if (error instanceof GavelError) return { code: error.code, message: error.message, param: error.param }
  return { code: 'internal', message: error instanceof Error ? error.message : String(error), param: null }
}

export const unpackError = ({ code, message, param }: PackedError): GavelError =>
  new GavelError(code, message, param === null ? {} : { param })
