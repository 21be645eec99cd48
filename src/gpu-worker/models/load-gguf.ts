import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import { ggufTokenizer } from '../text/gguf-tokenizer.ts'
import type { TokenizerFiles } from '../text/text-codec.ts'
import { ggufParts, readGguf, type Gguf } from '../weights/gguf.ts'
import type { StoredTensor } from '../weights/safetensors.ts'
import { GGUF_ARCHITECTURES, GGUF_FLOATS, type GgufArchitecture } from './gguf-architectures.ts'
import { GgufHeader } from './gguf-header.ts'
import { modelFromConfig } from './index.ts'
import { checkWeights, noPlaceFor, type LoadedModel } from './load-folder.ts'

/** Tensors that the config holds in another form. */
const ROTARY = ['rope_freqs.weight', 'rope_factors_long.weight', 'rope_factors_short.weight']

/**
 * A model and its tokenizer out of one GGUF file, or the parts that it is split into, under the names and in the layout
 * that safetensors have. Throws `corrupt_model`, or `unsupported_model` for another architecture than
 * {@link GGUF_ARCHITECTURES} has, and for a key or a tensor that the engine has no use for.
 */
export function loadGguf(path: string): LoadedModel & { tokenizer: TokenizerFiles } {
  const { metadata, tensors } = readParts(path)
  const file = basename(path)
  const name = String(metadata.get('general.architecture'))
  const known: Readonly<Record<string, GgufArchitecture>> = GGUF_ARCHITECTURES
  const architecture = Object.hasOwn(known, name) ? known[name]! : undefined
  if (!architecture) {
    throw new GavelError(
      'unsupported_model',
      `${file}: architecture ${JSON.stringify(name)} is not supported in GGUF; known are ${Object.keys(known).join(', ')}`,
    )
  }
  const header = new GgufHeader(metadata, tensors, file)
  const config = { ...architecture.config(header), ...header.specialTokens() }
  header.checkAllRead()
  const model = modelFromConfig(config, file)
  const renamed = new Map<string, StoredTensor>()
  const unused: string[] = []
  for (const [own, tensor] of tensors) {
    const ours = renamedTensor(own, architecture)
    if (model.parameters.has(ours)) renamed.set(ours, architecture.tensor?.(own, tensor, header) ?? tensor)
    else if (!ROTARY.includes(own)) unused.push(own)
  }
  const weights = checkWeights(model, renamed, file)
  if (unused.length) throw noPlaceFor(unused, file, name)
  return { model, config, floats: GGUF_FLOATS, weights, tokenizer: ggufTokenizer(metadata, file) }
}

function renamedTensor(name: string, { names }: GgufArchitecture): string {
  const [, layer, part, kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? []
  if (!layer || !part || !names.block[part]) return names.outer[name] ?? name
  return `${names.blocks}${layer}.${names.block[part]}.${kind}`
}

/** All parts of a split file, of which `path` is the first; the header is that one's. */
function readParts(path: string): Gguf {
  const first = readGguf(path)
  const parts = ggufParts(path, Number(first.metadata.get('split.count') ?? 1))
  const missing = parts.find((part) => !existsSync(join(dirname(path), part)))
  if (parts[0] !== basename(path)) {
    throw new GavelError('invalid_request', `${path} is one part of ${parts.length}: open the first, ${parts[0]}`)
  }
  if (missing) {
    throw new GavelError('corrupt_model', `${join(dirname(path), missing)} is missing, a part of ${parts.length}`, {
      param: missing,
    })
  }
  const tensors = new Map(first.tensors)
  for (const part of parts.slice(1)) {
    for (const [name, tensor] of readGguf(join(dirname(path), part)).tensors) {
      if (tensors.has(name))
        throw new GavelError('corrupt_model', `${part}: tensor ${name} is in another part, too`, { param: name })
      tensors.set(name, tensor)
    }
  }
  return { metadata: first.metadata, tensors }
}
