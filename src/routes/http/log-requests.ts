import type { Context, MiddlewareHandler } from 'hono'
import type { RequestEntry, RequestLog } from '../../service/request-log.ts'
import type { AppEnv } from './app-env.ts'

/** Tells the log of every request once its answer has begun. */
export const logRequests =
  (log: RequestLog): MiddlewareHandler<AppEnv> =>
  async (c, next) => {
    const started = performance.now()
    await next()
    log.request(entryOf(c, performance.now() - started))
  }

function entryOf(c: Context<AppEnv>, ms: number): RequestEntry {
  const { requestId, route, caller, error, body } = c.var
  return {
    request_id: requestId,
    method: c.req.method,
    route: route?.path ?? null,
    status: c.res.status,
    ms: Math.round(ms * 100) / 100,
    tenant: caller?.tenant ?? null,
    key: caller?.key ?? null,
    ...(error && { error: error.code, param: error.param }),
    ...(body !== undefined && { body }),
  }
}
