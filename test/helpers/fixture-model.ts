import { fileURLToPath } from 'node:url'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { elementCount } from '../../src/gpu-worker/graph/tensor.ts'
import { modelFromConfig } from '../../src/gpu-worker/models/index.ts'
import { loadFolder, type LoadedModel } from '../../src/gpu-worker/models/load-folder.ts'
import type { Model } from '../../src/gpu-worker/models/model.ts'
import type { Weights } from '../../src/gpu-worker/models/weights.ts'

/** One of the models of `test/fixtures/parity/`: two layers, 160 tokens, freshly read. */
export const fixtureModel = (name: string): LoadedModel =>
  loadFolder(fileURLToPath(new URL(`../fixtures/parity/${name}`, import.meta.url)))

/** A Llama of one layer and `vocabularySize` tokens, with random weights. */
export function tinyModel(vocabularySize: number, seed = 1): { model: Model; weights: Weights } {
  const model = modelFromConfig({
    model_type: 'llama',
    vocab_size: vocabularySize,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    max_position_embeddings: 32,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
  })
  const rng = new SeededRng(seed)
  const weights = new Map(
    [...model.parameters].map(([name, shape]) => [
      name,
      { shape, data: Float32Array.from({ length: elementCount(shape) }, () => rng.uniform() - 0.5) },
    ]),
  )
  return { model, weights }
}
