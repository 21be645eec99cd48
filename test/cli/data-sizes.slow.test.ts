import assert from 'node:assert/strict'
import { createWriteStream, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { after, describe, test } from 'node:test'
import { createGzip } from 'node:zlib'
import { startCliServer } from './cli-server.ts'

const server = await startCliServer()
const { file, fails } = server
after(() => server.close())

describe('data upload, of much', () => {
  test('a bomb of gzip ends before it fills anything', async () => {
    const path = join(server.folder, 'bomb.jsonl.gz')
    const blank = Buffer.alloc(1_000_000, '\n')
    await pipeline(Readable.from(Array.from({ length: 250 }, () => blank)), createGzip(), createWriteStream(path))
    assert.match(await fails(1, 'data upload', path), /bomb\.jsonl\.gz grows to more than 500 times its size/)
  })

  test('a file of more than a request holds goes in parts; a bad row at its end leaves nothing', async () => {
    const row = (i: number) => `${JSON.stringify({ id: i, prompt: `${i}?`, own: 'x'.repeat(900_000) })}\n`
    const big = Array.from({ length: 40 }, (_, i) => row(i)).join('')
    const ran = await server.gavel(['data', 'upload', file('big.jsonl', big), '--json', '--name', 'big'])
    const made = JSON.parse(ran.out) as { id: string; rows: number; bytes: number }
    assert.deepEqual([made.rows, made.bytes], [40, big.length])
    assert.equal((await server.api.datasets.get('big')).id, made.id)
    const before = readdirSync(server.objects, { recursive: true }).length
    assert.match(
      await fails(1, 'data upload', file('big.jsonl', `${big}{"prompt":3}\n`)),
      /Line 41: `prompt` must be string/,
    )
    const files = readdirSync(server.objects, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    )
    assert.ok(
      files.length > 0 && readdirSync(server.objects, { recursive: true }).length <= before + 1,
      'no object is left',
    )
  })
})
