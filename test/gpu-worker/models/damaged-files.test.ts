import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { GavelError } from '../../../src/core/errors.ts'
import { SeededRng } from '../../../src/core/rl/seeded-rng.ts'
import { openPath, saveFolder } from '../../../src/gpu-worker/models/source.ts'
import { temporaryFolder } from '../../../testing/tiny-model-folder.ts'

const GGUF = fileURLToPath(new URL('../../fixtures/gguf/llama.gguf', import.meta.url))
const CODES = ['corrupt_model', 'unsupported_model']
const ROUNDS = 60

/** Bytes changed in a way that a broken disk, a bad transfer or a hostile author might. */
function damaged(whole: Buffer, rng: SeededRng, header: number): Buffer {
  const at = Math.floor(rng.uniform() * Math.min(whole.length, header))
  const byte = Math.floor(rng.uniform() * 256)
  const bytes = Buffer.from(whole)
  const kinds: (() => Buffer)[] = [
    () => bytes.subarray(0, at),
    () => (bytes.fill(byte, at, at + 1), bytes),
    () => (bytes.fill(byte, at, Math.min(at + 8, bytes.length)), bytes),
    () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + (byte % 16))]),
    () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(0, byte), bytes.subarray(at)]),
  ]
  return kinds[Math.floor(rng.uniform() * kinds.length)]!()
}

/** Damages a file again and again: what is opened then opens, or is refused by a message that names a file. */
function damageAll(path: string, open: string, header: number): void {
  const whole = readFileSync(path)
  const rng = new SeededRng(path.split('/').at(-1)!)
  let refused = 0
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = damaged(whole, rng, header)
    writeFileSync(path, bytes)
    try {
      openPath(open)
    } catch (error) {
      refused++
      if (!(error instanceof GavelError)) writeFileSync(path, whole)
      const what = `round ${round}: ${(error as Error).stack}`
      assert.ok(error instanceof GavelError && CODES.includes(error.code), what)
      assert.match(error.message, /\.gguf|\.json|safetensors|gavel-test-/, what)
    }
  }
  writeFileSync(path, whole)
  openPath(open)
  assert.ok(refused > ROUNDS / 10, `only ${refused} refused`)
}

test('a GGUF file damaged anywhere is refused by name, or still means something', () => {
  const path = join(temporaryFolder(), 'model.gguf')
  writeFileSync(path, readFileSync(GGUF))
  damageAll(path, path, 8000)
})

const folder = temporaryFolder()
saveFolder(folder, { ...openPath(GGUF), dtype: 'F32' })
for (const name of readdirSync(folder)) {
  test(`${name} damaged anywhere is refused by name, or still means something`, () => {
    damageAll(join(folder, name), folder, 4000)
  })
}
