import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { RunningSha256 } from '../../src/core/running-sha256.ts'

const openssl = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('the examples of FIPS 180-4', () => {
  const of = (text: string) => {
    const hash = new RunningSha256()
    hash.update(new TextEncoder().encode(text))
    return hash.hex()
  }
  assert.equal(of(''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  assert.equal(of('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  assert.equal(
    of('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq'),
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  )
})

test('however the bytes are cut, and with the state written down in between, as OpenSSL has it', () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 167 + (i >> 3)) % 256)
  for (let length = 0; length <= 200; length++) {
    const some = bytes.subarray(0, length)
    for (const cut of [0, 1, 55, 56, 63, 64, 65, length]) {
      let hash = new RunningSha256()
      hash.update(some.subarray(0, cut))
      hash = new RunningSha256(JSON.parse(JSON.stringify(hash.state())))
      hash.update(some.subarray(Math.min(cut, length)))
      assert.equal(hash.hex(), openssl(some), `${length} bytes cut at ${cut}`)
    }
  }
  const hash = new RunningSha256()
  for (let i = 0; i < 1000; i += 7) hash.update(bytes.subarray(i, i + 7))
  assert.equal(hash.hex(), openssl(bytes))
})

test('the length counts in bits beyond 32 of them', () => {
  // The state after 2²⁹ zero bytes; the hash is that of coreutils: (head -c 536870912 /dev/zero; printf a) | sha256sum
  const words = [3247723286, 248528400, 1309697257, 797640274, 3844568237, 106865193, 3385049670, 235716722]
  const hash = new RunningSha256({ words, rest: '', length: 2 ** 29 })
  hash.update(new TextEncoder().encode('a'))
  assert.equal(hash.hex(), 'c1e47fa620757bd28f17da6b919904743c7f4c28c9222e5889dd517e979f94e4')
})
