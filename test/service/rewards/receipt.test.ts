import assert from 'node:assert/strict'
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { canonicalJson } from '../../../src/core/json.ts'
import { secretBox } from '../../../src/service/keys.ts'
import { checkReceipt, makeReceipt } from '../../../src/service/rewards/receipt.ts'

const entropy = { bytes: (count: number) => new Uint8Array(randomBytes(count)) }
const SECRET = 'a passphrase for the tests, quite long'
const secrets = secretBox(SECRET, entropy)
const content = { recipe: { mu: 0, lambda: 1 }, items: [{ prompt: 'é', completion: 'x' }], data: [{ reward: 1e-7 }] }

test('JSON is canonical as RFC 8785 has it: its own examples', () => {
  // Section 3.2.2, with the result of section 3.2.3.
  const example =
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
    '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}'
  const canonical =
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
    '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
  assert.equal(canonicalJson(JSON.parse(example)), canonical)
  // Section 3.2.3: keys in order of UTF-16 code units.
  const keys = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 }
  assert.deepEqual(Object.values(JSON.parse(canonicalJson(keys).replaceAll(/"1":4,/g, ''))), [2, 6, 7, 1, 5, 3])
  assert.equal(canonicalJson({ a: undefined, b: [{}] }), '{"b":[{}]}')
})

test('a receipt is what its description says, made here by other means', async () => {
  const receipt = await makeReceipt(secrets, 'acme', content, 1_767_225_600_999)
  const canonical = '{"data":[{"reward":1e-7}],"items":[{"completion":"x","prompt":"é"}],"recipe":{"lambda":1,"mu":0}}'
  const sha256 = createHash('sha256').update(canonical).digest('hex')
  const key = createHash('sha256').update(`gavel signatures\n${SECRET}`).digest()
  const signed = `gavel-receipt-1\nacme\n1767225600\n${sha256}`
  const hmac = createHmac('sha256', key).update(signed).digest('base64url')
  assert.deepEqual(receipt, { created_at: 1_767_225_600, sha256, hmac })
})

test('only its own tenant, time, hash, content and server make it valid', async () => {
  const receipt = await makeReceipt(secrets, 'acme', content, 5000)
  const check = (changes = {}, tenant = 'acme', given: typeof content | undefined = content) =>
    checkReceipt(secrets, tenant, { ...receipt, ...changes }, given)
  assert.equal(await check(), null)
  assert.equal(await checkReceipt(secrets, 'acme', receipt, undefined), null)
  assert.equal(await check({}, 'acme', { ...content, data: [{ reward: 1e-8 }] }), 'other_content')
  assert.equal(await check({}, 'other'), 'wrong_signature')
  assert.equal(await check({ created_at: 6 }), 'wrong_signature')
  assert.equal(await check({ sha256: '0'.repeat(64) }), 'wrong_signature')
  assert.equal(await check({ hmac: 'A'.repeat(43) }), 'wrong_signature')
  const other = secretBox('another passphrase that is quite long', entropy)
  assert.equal(await checkReceipt(other, 'acme', receipt, content), 'wrong_signature')
  const none = secretBox(null, entropy)
  const unsigned = await makeReceipt(none, 'acme', content, 5000)
  assert.deepEqual([unsigned.sha256, unsigned.hmac], [receipt.sha256, null])
  assert.equal(await checkReceipt(secrets, 'acme', unsigned, content), 'no_signature')
  await assert.rejects(checkReceipt(none, 'acme', receipt, content), { code: 'unavailable_here' })
})
