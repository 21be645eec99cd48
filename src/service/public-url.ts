import { GavelError } from '../core/errors.ts'

/**
 * Checks a URL that a user gave us to call: https, without credentials, and not an address of a private network.
 * Names are checked again when they are resolved, by the adapter that connects.
 * @param allowPrivate whether the operator lets users name loopback and private addresses, and http with them
 * @throws GavelError `unprocessable` naming the field and the remedy
 */
export function checkPublicUrl(text: string, param: string, allowPrivate: boolean): URL {
  const refuse = (why: string) => new GavelError('unprocessable', `\`${param}\` ${why}.`, { param })
  if (!URL.canParse(text)) throw refuse('is not a URL; give one such as https://host/v1')
  const url = new URL(text)
  if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:')) throw refuse('must begin with https://')
  if (url.username || url.password) throw refuse('must not carry a user or password; give the secret as api_key')
  if (allowPrivate) return url
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
  const local = host === 'localhost' || /\.(localhost|local|internal|home\.arpa)$/.test(host) || !/[.:]/.test(host)
  if (local || !isPublicAddress(host)) {
    throw refuse(
      'names a loopback or private address; give a public one, or ask the operator for GAVEL_ALLOW_PRIVATE_URLS=1',
    )
  }
  return url
}

/**
 * Whether an IP address may be reached over the internet. A text that is no address is let through: it is a name.
 * IPv4 by the IANA special-purpose registry; of IPv6 only global unicast (2000::/3) without its special parts.
 */
export function isPublicAddress(host: string): boolean {
  const bytes = parseV4(host)
  if (bytes) return isPublicV4(bytes)
  if (!host.includes(':')) return true
  const groups = expandV6(host)
  if (groups === null) return false
  const [a, b, c, , , f, g, h] = groups
  if (groups.slice(0, 5).every((group) => group === 0) && f === 0xffff) return isPublicV4(bytesOf(g, h))
  if (a === 0x64 && b === 0xff9b) return isPublicV4(bytesOf(g, h))
  if (a === 0x2002) return isPublicV4(bytesOf(b, c))
  const documentation = a === 0x2001 && (b === 0xdb8 || b < 0x200)
  return a >= 0x2000 && a <= 0x3fff && !documentation
}

type Four = [number, number, number, number]
type Eight = [...Four, ...Four]
const areFour = (numbers: number[]): numbers is Four => numbers.length === 4
const areEight = (numbers: number[]): numbers is Eight => numbers.length === 8

function isPublicV4([a, b, c]: Four): boolean {
  if (a === 0 || a === 10 || a === 127 || a >= 224) return false
  if (a === 100 && b >= 64 && b <= 127) return false
  if (a === 169 && b === 254) return false
  if (a === 172 && b >= 16 && b <= 31) return false
  if (a === 192 && (b === 168 || (b === 0 && (c === 0 || c === 2)) || (b === 88 && c === 99))) return false
  if (a === 198 && (b === 18 || b === 19 || (b === 51 && c === 100))) return false
  return !(a === 203 && b === 0 && c === 113)
}

const bytesOf = (high: number, low: number): Four => [high >> 8, high & 255, low >> 8, low & 255]

/** The four bytes of an IPv4 address, or null when it is none. */
function parseV4(text: string): Four | null {
  const bytes = /^\d+(\.\d+)*$/.test(text) ? text.split('.').map(Number) : []
  return areFour(bytes) ? bytes : null
}

/** The eight groups of an IPv6 address, or null when it is none. */
function expandV6(text: string): Eight | null {
  const last = text.lastIndexOf(':') + 1
  const bytes = parseV4(text.slice(last))
  if (bytes) {
    const [a, b, c, d] = bytes
    return expandV6(`${text.slice(0, last)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`)
  }
  const [head, tail, extra] = text.replace(/%.*/s, '').split('::')
  if (extra !== undefined) return null
  const parse = (part: string | undefined) => (part ? part.split(':').map((group) => parseInt(group, 16)) : [])
  const [left, right] = [parse(head), parse(tail)]
  const missing = 8 - left.length - right.length
  if (tail === undefined ? missing !== 0 : missing < 0) return null
  const groups = [...left, ...Array<number>(missing).fill(0), ...right]
  return areEight(groups) && groups.every((group) => group >= 0 && group <= 0xffff) ? groups : null
}
