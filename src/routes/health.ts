import * as v from 'valibot'
import { GavelError } from '../core/errors.ts'
import { route } from './http/route.ts'

const health = v.object({ status: v.literal('ok') })

export const healthRoutes = [
  route({
    method: 'GET',
    path: '/livez',
    operationId: 'livez',
    tag: 'Health',
    summary: 'Whether the process answers',
    scope: null,
    response: health,
    handler: async () => ({ status: 'ok' }),
  }),
  route({
    method: 'GET',
    path: '/readyz',
    operationId: 'readyz',
    tag: 'Health',
    summary: 'Whether the database and the object store answer',
    scope: null,
    response: health,
    otherResponses: { '503': 'One of them does not; the message says which.' },
    async handler({ deps }) {
      const check = (what: string, probe: Promise<unknown>) =>
        probe.catch((cause: unknown) => {
          throw new GavelError('storage_unavailable', `The ${what} does not answer. Try again in a moment.`, { cause })
        })
      await check('database', deps.database.ping())
      await check('object store', deps.blobs.head('readyz'))
      return { status: 'ok' }
    },
  }),
]
