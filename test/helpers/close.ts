import assert from 'node:assert/strict'

/** Asserts that numbers agree within `tolerance`, absolute below 1 and relative above. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what = 'values',
) {
  assert.equal(
    actual.length,
    expected.length,
    `${what}: ${actual.length} numbers where ${expected.length} are expected`,
  )
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!]
    const near = a === e || Math.abs(a - e) <= tolerance * Math.max(1, Math.abs(e))
    assert.ok(near, `${what}[${i}]: ${a} is not within ${tolerance} of ${e}`)
  }
}
