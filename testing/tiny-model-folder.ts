import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { saveFolder } from '../src/gpu-worker/models/source.ts'
import { initialWeights, TINY_CONFIG } from './tiny-model.ts'

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../demo/models/${name}`, import.meta.url), 'utf8')) as Record<string, unknown>

/** The demo's tokenizer, read afresh. */
export const tinyTokenizer = () => ({ tokenizer: read('tokenizer.json'), config: read('tokenizer_config.json') })

const made: string[] = []
process.once('exit', () => made.forEach((folder) => rmSync(folder, { recursive: true, force: true })))

/** An empty folder that goes with the process. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-test-'))
  made.push(folder)
  return folder
}

/** A fresh temporary folder with the demo's shape and tokenizer and random weights; changed as a test likes. */
export function tinyModelFolder(change: Partial<Parameters<typeof saveFolder>[1]> = {}): string {
  const folder = temporaryFolder()
  saveFolder(folder, {
    config: TINY_CONFIG,
    floats: new Set(),
    weights: initialWeights(1),
    tokenizer: tinyTokenizer(),
    dtype: 'F32',
    ...change,
  })
  return folder
}
