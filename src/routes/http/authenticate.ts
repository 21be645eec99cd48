import { GavelError } from '../../core/errors.ts'
import { OPERATOR_TENANT, type Scope } from '../../core/schemas/key.ts'
import { sha256Hex } from '../../core/sha256.ts'
import type { Deps } from '../../service/deps.ts'
import type { Caller } from './route.ts'

/**
 * Who asks, by the key of a request.
 * @param pathToken the key in the URL, on routes that take one there
 * @throws GavelError `unauthorized` without a valid key, `forbidden` when the key lacks the scope
 */
export async function authenticate(
  deps: Deps,
  request: Request,
  scope: Scope,
  pathToken: string | undefined,
): Promise<Caller> {
  const param = pathToken === undefined ? 'Authorization' : 'token'
  const token = pathToken ?? /^Bearer ([\u0021-\u007e]{1,512})$/i.exec(request.headers.get('authorization') ?? '')?.[1]
  if (!token)
    throw new GavelError('unauthorized', 'There is no API key. Send `Authorization: Bearer gvl_…`.', { param })
  const caller = await callerOf(deps, await sha256Hex(token), pathToken !== undefined)
  if (!caller) {
    const message =
      pathToken === undefined
        ? 'The API key is unknown or revoked. Use another, or ask an admin for one.'
        : 'The key in the URL is unknown, revoked, or not made to stand in a URL. Make one with POST /v1/keys {"scopes": ["judge"], "path_token": true}.'
    throw new GavelError('unauthorized', message, { param })
  }
  if (!caller.scopes.includes(scope) && !caller.scopes.includes('admin')) {
    throw new GavelError(
      'forbidden',
      `This key may not do that: it needs the scope \`${scope}\` and has ${caller.scopes.join(', ')}.`,
      { param },
    )
  }
  return caller
}

async function callerOf(deps: Deps, sha256: string, inPath: boolean): Promise<Caller | null> {
  if (sha256 === deps.adminKeySha256 && !inPath) return { tenant: OPERATOR_TENANT, key: '', scopes: ['admin'] }
  const key = await deps.database.keys.findByHash(sha256)
  if (!key || (inPath && !key.body.path_token)) return null
  const { scopes, rate, budget } = key.body
  return { tenant: key.tenant, key: key.id, scopes, rate, budget }
}
