import assert from 'node:assert/strict'
import { test } from 'node:test'
import { all } from '../../../src/client.ts'
import { wholeLines } from '../../../src/core/datasets/whole-lines.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const pieces = async (text: string, size: number, piece: number) => {
  const whole = bytes(text)
  const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) => whole.subarray(i * size, (i + 1) * size)) // prettier-ignore
  return (await all(wholeLines(chunks, piece))).map((part) => new TextDecoder().decode(part))
}

test('pieces are whole lines, about as long as asked, and together all there was', async () => {
  const text = Array.from({ length: 40_000 }, (_, i) => `line ${i} é\n`).join('') + 'the end'
  for (const size of [1000, 70_000, 1e9]) {
    const parts = await pieces(text, size, 200_000)
    assert.equal(parts.join(''), text)
    assert.ok(parts.length > 2)
    for (const part of parts.slice(0, -1)) {
      assert.ok(part.endsWith('\n'))
      assert.ok(part.length <= 200_000 + 70_000, `${part.length}`)
    }
  }
  assert.deepEqual(await pieces('', 9, 9), [])
  assert.deepEqual(await pieces('a', 9, 9), ['a'])
})

test('a line without an end is not held for ever, nor copied for every byte', async () => {
  const long = `a\nb\n${'x'.repeat(3_000_000)}`
  const started = process.cpuUsage().user
  const parts = await pieces(long, 1e9, 1_000_000)
  assert.ok(process.cpuUsage().user - started < 3e6)
  assert.equal(parts.join(''), long)
  assert.ok(Math.max(...parts.map(({ length }) => length)) < 2_200_000)
  assert.equal(parts[0], 'a\nb\n')
})
