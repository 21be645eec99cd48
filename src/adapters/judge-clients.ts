import { GavelError } from '../core/errors.ts'
import type { JudgeClient } from '../core/ports.ts'
import type { Judge } from '../core/schemas/judge.ts'
import type { OwnedJudge } from '../core/schemas/worker.ts'
import { remoteJudgeClient } from './judges/remote-judge-client.ts'

/** Most clients kept: one a judge. Of more, the one that was not asked for longest is forgotten. */
const MAX_CLIENTS = 256

/**
 * The clients of judges, one for each, so that a judge's limit of calls in flight holds across requests.
 * @param local makes the client of a local model, where this process runs models
 */
export function judgeClients(options: {
  fetch: typeof fetch
  /** Workers AI's binding, where the process has one. */
  workersAi?: typeof fetch | undefined
  local?: ((judge: OwnedJudge) => JudgeClient) | undefined
}): (judge: Judge, secret: string | null, local: OwnedJudge | null, isProbe?: boolean) => JudgeClient {
  const clients = new Map<string, JudgeClient>()
  const create = (judge: Judge, secret: string | null, local: OwnedJudge | null, retries?: 0) => {
    const { fetch, workersAi } = options
    if (judge.provider.type !== 'local') {
      return remoteJudgeClient(judge, secret, { fetch, workersAi, ...(retries !== undefined && { retries }) })
    }
    if (local && options.local) return options.local(local)
    const message =
      'This server runs no models, so it cannot ask a local judge. Use the judge in a job, whose worker runs it; or start the server with `gavel dev`.'
    throw new GavelError('unavailable_here', message, { param: 'judge' })
  }
  return (judge, secret, local, isProbe = false) => {
    const { probe: _, ...unknown } = judge
    if (isProbe) return create(unknown, secret, local, 0)
    // A new probe may have found that the provider takes more, or less, than the client has learnt.
    const key = `${judge.id} ${judge.probe?.created_at ?? ''}`
    const client = clients.get(key) ?? create(judge, secret, local)
    // A map keeps the order of insertion, so the first is the one that was not asked for longest.
    clients.delete(key)
    clients.set(key, client)
    if (clients.size > MAX_CLIENTS) clients.delete(clients.keys().next().value!)
    return client
  }
}
