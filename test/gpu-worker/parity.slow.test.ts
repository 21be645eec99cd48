import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkFolder, misses } from '../../scripts/parity.ts'
import { readSafetensors, writeSafetensors } from '../../src/gpu-worker/weights/safetensors.ts'

const FIXTURES = fileURLToPath(new URL('../fixtures/parity/', import.meta.url))
const SCRIPT = fileURLToPath(new URL('../../scripts/parity.ts', import.meta.url))

for (const name of readdirSync(FIXTURES)) {
  // With activations that are computed again: e2e/parity-recomputed.test.ts.
  test(`${name} agrees with transformers`, async () => {
    const kept = await checkFolder(join(FIXTURES, name))
    // Two config styles, each with logits, greedy ids, log-probs, the SFT loss, gradients, the clipped loss, AdamW.
    assert.ok(kept.length > 100, `${kept.length} quantities`)
    assert.deepEqual(misses(kept), [])
  })
}

/** A copy of a fixture in which one weight of one layer is off by 0.2. */
function perturbedCopy(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-parity-'))
  t.after(() => rmSync(folder, { recursive: true }))
  cpSync(join(FIXTURES, 'smollm2'), folder, { recursive: true })
  rmSync(join(folder, 'config.v4.json'))
  const file = join(folder, 'model.safetensors')
  const tensors = readSafetensors(file)
  tensors.get('model.layers.1.mlp.down_proj.weight')!.data[5]! += 0.2
  writeSafetensors(file, tensors)
  return folder
}

test('one weight that is off is seen in every kind of quantity', async (t) => {
  const seen = misses(await checkFolder(perturbedCopy(t))).join('\n')
  for (const quantity of [
    'logits:',
    'logits of texts of unlike length',
    'log-probs:',
    'log-probs at temperature 0.7',
    'SFT loss',
    'SFT gradient norm of model.layers.0',
    'clipped loss:',
    'clipped loss gradient norm of model.layers.0',
    'AdamW losses',
    'AdamW gradient norms',
  ]) {
    assert.ok(seen.includes(quantity), `${quantity} is not among the misses:\n${seen}`)
  }
})

test('the command says where it misses and exits 1; a folder without numbers is a miss, too', (t) => {
  const run = (...folders: string[]) => spawnSync(process.execPath, [SCRIPT, ...folders], { encoding: 'utf8' })
  const right = run(join(FIXTURES, 'smollm2'))
  assert.equal(right.status, 0, right.stdout)
  assert.match(right.stdout, /^ok .* greedy ids: 0 differ/m)
  const wrong = run(join(FIXTURES, 'smollm2'), perturbedCopy(t))
  assert.equal(wrong.status, 1)
  assert.match(wrong.stdout, /^MISS .*SFT loss: largest difference/m)
  const empty = run(join(FIXTURES, '..'))
  assert.equal(empty.status, 1)
  assert.match(empty.stdout, /^MISS .*no expected\.json/m)
})
