import { GavelError } from '../core/errors.ts'
import { sha256Hex } from '../core/keys.ts'
import { OPERATOR_TENANT, type Scope } from '../core/schemas/key.ts'
import type { Deps } from './deps.ts'
import type { Caller } from './route.ts'

/**
 * Who asks, by the key of a request.
 * @throws GavelError `unauthorized` without a valid key, `forbidden` when the key lacks the scope
 */
export async function authenticate(deps: Deps, request: Request, scope: Scope): Promise<Caller> {
  const token = /^Bearer ([\u0021-\u007e]{1,512})$/i.exec(request.headers.get('authorization') ?? '')?.[1]
  if (!token)
    throw new GavelError('unauthorized', 'There is no API key. Send `Authorization: Bearer gvl_…`.', {
      param: 'Authorization',
    })
  const caller = await callerOf(deps, await sha256Hex(token))
  if (!caller)
    throw new GavelError('unauthorized', 'The API key is unknown or revoked. Use another, or ask an admin for one.', {
      param: 'Authorization',
    })
  if (!caller.scopes.includes(scope) && !caller.scopes.includes('admin')) {
    throw new GavelError(
      'forbidden',
      `This key may not do that: it needs the scope \`${scope}\` and has ${caller.scopes.join(', ')}.`,
      { param: 'Authorization' },
    )
  }
  return caller
}

async function callerOf(deps: Deps, sha256: string): Promise<Caller | null> {
  if (sha256 === deps.adminKeySha256) return { tenant: OPERATOR_TENANT, scopes: ['admin'] }
  const key = await deps.database.keys.findByHash(sha256)
  return key && { tenant: key.tenant, scopes: key.body.scopes }
}
