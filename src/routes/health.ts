import * as v from 'valibot'
import { GavelError } from '../core/errors.ts'
import type { Deps } from '../service/deps.ts'
import { route } from './http/route.ts'

const health = v.object({ status: v.literal('ok') })

/** How long what was found out is answered again, in ms: a probe writes. */
const FRESH_MS = 5_000
/** What does not answer within so many ms does not answer. */
const PATIENCE_MS = 5_000
const READYZ = 'readyz'

/** What the last probe found, of each app in the process. */
const FOUND = new WeakMap<Deps, { at: number; failure: GavelError | null }>()

/** Whether the database and the object store take what is written to them, and answer it. */
async function readiness(deps: Deps): Promise<GavelError | null> {
  const now = deps.clock.now()
  const known = FOUND.get(deps)
  // A clock may be put back.
  if (known && now >= known.at && now - known.at < FRESH_MS) return known.failure
  const failures = await Promise.all([
    failureOf('database', deps.database.probe()),
    failureOf('object store', deps.blobs.put(READYZ, new TextEncoder().encode(`${new Date(now).toISOString()}\n`))),
  ])
  const failure = failures.find((one) => one !== null) ?? null
  FOUND.set(deps, { at: now, failure })
  return failure
}

async function failureOf(what: string, probe: Promise<unknown>): Promise<GavelError | null> {
  let timer: ReturnType<typeof setTimeout> | null = null
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS)
  })
  try {
    await Promise.race([probe, silence])
    return null
  } catch (cause) {
    if (cause instanceof GavelError && cause.code === 'disk_full') {
      const message = `The ${what} has no room: what is there can be read, and nothing can be written. Make room.`
      return new GavelError('disk_full', message, { cause })
    }
    const message = `The ${what} does not answer, or takes nothing. Try again in a moment.`
    return new GavelError('storage_unavailable', message, { cause })
  } finally {
    if (timer !== null) clearTimeout(timer)
  }
}

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
    summary: 'Whether the database and the object store answer, and take what is written',
    description:
      'Something is written to both, at most every five seconds; in between, the last answer is given again.',
    scope: null,
    response: health,
    otherResponses: {
      '503': 'One of them does not; the message says which.',
      '507': 'One of them has no room; what is there can be read.',
    },
    async handler({ deps }) {
      const failure = await readiness(deps)
      if (failure) throw failure
      return { status: 'ok' }
    },
  }),
]
