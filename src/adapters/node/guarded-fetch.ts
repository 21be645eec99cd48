import { lookup as dnsLookup } from 'node:dns'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import { Readable } from 'node:stream'
import { GavelError } from '../../core/errors.ts'
import { checkPublicUrl, isPublicAddress } from '../../service/public-url.ts'

/**
 * A `fetch` for URLs that users gave: only public addresses, checked on the very address that is connected to (so a
 * name cannot point elsewhere by the time it is used), and no redirects.
 * @param allowPrivate whether the operator lets users name loopback and private addresses
 */
export function guardedFetch(allowPrivate: boolean): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init)
    const url = checkPublicUrl(request.url, 'url', allowPrivate)
    const body = request.body ? Buffer.from(await request.arrayBuffer()) : undefined
    const headers = Object.fromEntries(request.headers)
    const options = {
      method: request.method,
      headers,
      signal: request.signal,
      ...(!allowPrivate && { lookup: publicLookup }),
    }

    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest
      const outgoing = send(url, options, resolve)
      outgoing.on('error', reject)
      outgoing.end(body)
    })
    const status = response.statusCode!
    if (status >= 300 && status < 400 && status !== 304) {
      response.destroy()
      throw new GavelError(
        'judge_unreachable',
        `${url.origin} answered with a redirect, which is not followed. Give the final URL.`,
      )
    }
    const fields = new Headers()
    for (const [name, value] of Object.entries(response.headers)) fields.set(name, [value].flat().join(', '))
    const empty = status === 204 || status === 304 || request.method === 'HEAD'
    const stream = empty ? null : (Readable.toWeb(response) as unknown as BodyInit)
    return new Response(stream, { status, statusText: response.statusMessage ?? '', headers: fields })
  }
}

/** Resolves like Node does, and refuses a name when any of its addresses is not public. */
const publicLookup: LookupFunction = (hostname, options, callback) => {
  dnsLookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '')
    const bad = addresses.find(({ address }) => !isPublicAddress(address))
    if (bad) {
      const message = `${hostname} resolves to ${bad.address}, a loopback or private address. Give a public host.`
      return callback(new GavelError('judge_unreachable', message), '')
    }
    if (options.all) return callback(null, addresses)
    // A name without any is an error above.
    const { address, family } = addresses[0]!
    callback(null, address, family)
  })
}
