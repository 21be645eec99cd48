/** API keys, and the sealing of providers' secrets. WebCrypto only: the same on Node and at the edge. */
import { GavelError } from '../core/errors.ts'
import type { Entropy } from '../core/ports.ts'

/** A new API key: `gvl_` and 256 random bits in base64url. */
export function newKey(entropy: Entropy): string {
  return `gvl_${toBase64Url(entropy.bytes(32))}`
}

/** What the operator's secret is for: secrets for storage, bound to the resource they belong to, and signatures. */
export interface SecretBox {
  seal(secret: string, owner: string): Promise<string>
  /** @throws GavelError `unavailable_here` when the ciphertext is not this owner's or was made with another key */
  open(sealed: string, owner: string): Promise<string>
  /** HMAC-SHA-256 of a text in base64url; null where there is no secret. */
  sign(text: string): Promise<string | null>
  /** Whether {@link sign} made a signature of a text. @throws GavelError `unavailable_here` where there is no secret */
  isSigned(text: string, signature: string): Promise<boolean>
}

/**
 * AES-256-GCM with a key derived (SHA-256) from the operator's GAVEL_SECRET_KEY, a fresh 96-bit nonce for each secret,
 * and the owner's id as associated data. Signatures are made with another key, derived likewise.
 * @param passphrase at least 32 characters; null where the operator has set none
 */
export function secretBox(passphrase: string | null, entropy: Entropy): SecretBox {
  let key: Promise<CryptoKey> | undefined
  const cryptoKey = () => {
    if (passphrase === null) {
      throw new GavelError(
        'unavailable_here',
        'This server keeps no secrets: its operator has not set GAVEL_SECRET_KEY. Leave `api_key` out, or ask the operator to set it.',
        { param: 'provider.api_key' },
      )
    }
    key ??= crypto.subtle
      .digest('SHA-256', new TextEncoder().encode(`gavel secret box\n${passphrase}`))
      .then((bytes) => crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']))
    return key
  }
  let signingKey: Promise<CryptoKey> | undefined
  const hmacKey = () =>
    (signingKey ??= crypto.subtle
      .digest('SHA-256', new TextEncoder().encode(`gavel signatures\n${passphrase}`))
      .then((bytes) =>
        crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']),
      ))
  const parameters = (nonce: Uint8Array, owner: string) => ({
    name: 'AES-GCM',
    iv: nonce as Uint8Array<ArrayBuffer>,
    additionalData: new TextEncoder().encode(owner),
  })

  return {
    async seal(secret, owner) {
      const nonce = entropy.bytes(12)
      const sealed = await crypto.subtle.encrypt(
        parameters(nonce, owner),
        await cryptoKey(),
        new TextEncoder().encode(secret),
      )
      return `v1.${toBase64(nonce)}.${toBase64(new Uint8Array(sealed))}`
    },
    async open(sealed, owner) {
      const [, nonce = '', ciphertext = ''] = sealed.split('.')
      const aes = await cryptoKey()
      try {
        const secret = await crypto.subtle.decrypt(parameters(fromBase64(nonce), owner), aes, fromBase64(ciphertext))
        return new TextDecoder().decode(secret)
      } catch (cause) {
        const message = `The secret of ${owner} cannot be decrypted: GAVEL_SECRET_KEY is another than when it was stored. Restore the key, or create the resource anew.`
        throw new GavelError('unavailable_here', message, { cause })
      }
    },
    async sign(text) {
      if (passphrase === null) return null
      const mac = await crypto.subtle.sign('HMAC', await hmacKey(), new TextEncoder().encode(text))
      return toBase64Url(new Uint8Array(mac))
    },
    async isSigned(text, signature) {
      if (passphrase === null) {
        const message =
          'This server signs nothing: its operator has not set GAVEL_SECRET_KEY. Ask the operator to set it.'
        throw new GavelError('unavailable_here', message)
      }
      const mac = fromBase64(signature.replaceAll('-', '+').replaceAll('_', '/'))
      return crypto.subtle.verify('HMAC', await hmacKey(), mac, new TextEncoder().encode(text))
    },
  }
}

const toBase64Url = (bytes: Uint8Array) => toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
const toBase64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes))
const fromBase64 = (text: string) => Uint8Array.from<string>(atob(text), (char) => char.charCodeAt(0))
