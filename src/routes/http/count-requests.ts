import type { MiddlewareHandler } from 'hono'
import type { Metrics } from '../../service/metrics.ts'
import type { AppEnv } from './app-env.ts'

/** Counts requests and how long their answers took to begin. */
export const countRequests =
  (metrics: Metrics): MiddlewareHandler<AppEnv> =>
  async (c, next) => {
    const started = performance.now()
    metrics.begin()
    await next()
    metrics.end(c.req.method, c.get('route')?.path ?? 'none', c.res.status, (performance.now() - started) / 1000)
  }
