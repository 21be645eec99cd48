import type { Entropy } from '../core/ports.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const LENGTH = 24

export type IdPrefix = 'job' | 'judge' | 'ds' | 'ckpt' | 'model' | 'reward' | 'key' | 'req' | 'upload' | 'entry' | 'rsv'

/** A new id: a prefix and 24 letters and digits (142 random bits). */
export function newId(prefix: IdPrefix, entropy: Entropy): string {
  let letters = ''
  while (letters.length < LENGTH) {
    for (const byte of entropy.bytes(LENGTH)) {
      // 248 = 4 · 62: bytes above would make some letters likelier than others.
      if (byte < 248 && letters.length < LENGTH) letters += ALPHABET[byte % 62]
    }
  }
  return `${prefix}_${letters}`
}

/** Whether a text has the form of an id, so that others need not reach the database. */
export const isId = (text: string, prefix: IdPrefix): boolean =>
  text.startsWith(`${prefix}_`) && /^[A-Za-z0-9]{24}$/.test(text.slice(prefix.length + 1))
