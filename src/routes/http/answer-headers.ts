import type { MiddlewareHandler } from 'hono'
import type { Entropy } from '../../core/ports.ts'
import { newId } from '../../service/ids.ts'
import type { AppEnv } from './app-env.ts'

/** Gives a request its id, its own where it brings one, and every answer that id and how its key stands with its rate. */
export const answerHeaders =
  (entropy: Entropy): MiddlewareHandler<AppEnv> =>
  async (c, next) => {
    const given = c.req.header('x-request-id')
    c.set('requestId', given && /^[\w-]{1,128}$/.test(given) ? given : newId('req', entropy))
    await next()
    c.header('x-request-id', c.get('requestId'))
    for (const [name, value] of Object.entries(c.get('rate') ?? {})) c.header(name, value)
  }
