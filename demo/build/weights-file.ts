import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkWeights } from '../../src/gpu-worker/models/load-folder.ts'
import type { Weights } from '../../src/gpu-worker/models/weights.ts'
import { readSafetensors, writeSafetensors } from '../../src/gpu-worker/weights/safetensors.ts'
import { TINY_CONFIG, tinyModel } from '../../testing/tiny-model.ts'

export const readWeights = (path: string): Weights => checkWeights(tinyModel, readSafetensors(path), path)

/** Writes weights as they are shipped, in half precision, as a folder that any loader of Llama models reads. */
export function exportModel(folder: string, weights: Weights): void {
  mkdirSync(folder, { recursive: true })
  writeSafetensors(join(folder, 'model.safetensors'), weights, 'F16')
  writeFileSync(join(folder, 'config.json'), `${JSON.stringify(TINY_CONFIG, null, 2)}\n`)
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    copyFileSync(new URL(`../models/${name}`, import.meta.url), join(folder, name))
  }
}
