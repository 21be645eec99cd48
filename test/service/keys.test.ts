import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { sha256Hex } from '../../src/core/sha256.ts'
import { isId, newId } from '../../src/service/ids.ts'
import { newKey, secretBox } from '../../src/service/keys.ts'

const entropy = { bytes: (count: number) => new Uint8Array(randomBytes(count)) }
const counting = { bytes: (count: number) => Uint8Array.from({ length: count }, (_, i) => Math.min(255, i + 240)) }

describe('ids and keys', () => {
  test('an id is its prefix and 24 letters and digits, none of them likelier than others', () => {
    const id = newId('job', entropy)
    assert.match(id, /^job_[A-Za-z0-9]{24}$/)
    assert.ok(isId(id, 'job') && !isId(id, 'ds') && !isId('job_short', 'job'))
    assert.equal(newId('ds', counting), 'ds_' + 'stuvwxyz'.repeat(3))
  })

  test('a key holds 256 bits', () => {
    assert.match(newKey(entropy), /^gvl_[A-Za-z0-9_-]{43}$/)
    assert.notEqual(newKey(entropy), newKey(entropy))
  })

  test('SHA-256 is that of FIPS 180-4', async () => {
    assert.equal(await sha256Hex('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })
})

describe('secretBox', () => {
  test('a sealed secret is its version, a nonce of 96 bits, and the ciphertext with a tag of 128', async () => {
    const parts = (await secretBox('a passphrase', entropy).seal('secret', 'judge_1')).split('.')
    assert.equal(parts[0], 'v1')
    assert.deepEqual(parts.slice(1).map((part) => Buffer.from(part, 'base64').length), [12, 6 + 16]) // prettier-ignore
  })

  test('opens what it sealed, for the same owner and key only', async () => {
    const box = secretBox('p'.repeat(40), entropy)
    const sealed = await box.seal('sk-ü', 'judge_1')
    assert.equal(await box.open(sealed, 'judge_1'), 'sk-ü')
    assert.notEqual(await box.seal('sk-ü', 'judge_1'), sealed)
    await assert.rejects(box.open(sealed, 'judge_2'), { code: 'unavailable_here' })
    await assert.rejects(secretBox('q'.repeat(40), entropy).open(sealed, 'judge_1'), { code: 'unavailable_here' })
    const [version, nonce, text] = sealed.split('.')
    const flipped = `${text!.startsWith('A') ? 'B' : 'A'}${text!.slice(1)}`
    await assert.rejects(box.open([version, nonce, flipped].join('.'), 'judge_1'), { code: 'unavailable_here' })
  })

  test('refuses secrets where there is no key', async () => {
    await assert.rejects(secretBox(null, entropy).seal('x', 'y'), {
      code: 'unavailable_here',
      param: 'provider.api_key',
    })
  })
})
