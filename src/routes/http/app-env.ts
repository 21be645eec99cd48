import type { GavelError } from '../../core/errors.ts'
import type { RateHeaders } from '../../service/usage/rate-windows.ts'
import type { Caller, Route } from './route.ts'

/** What is known of a request while it is answered. */
export interface AppEnv {
  Variables: {
    requestId: string
    route?: Route
    caller?: Caller
    rate?: RateHeaders
    body?: unknown
    error?: GavelError
  }
}
