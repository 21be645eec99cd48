import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join, relative } from 'node:path'

/**
 * What a cache holds of a repository, path by path: where a link leads, what a ref says, the size of a blob. Locks and
 * other things that only their maker reads are left out.
 */
export function cacheLayout(cacheFolder: string, repo: string): Record<string, string> {
  const storage = join(cacheFolder, `models--${repo.replaceAll('/', '--')}`)
  const paths = readdirSync(storage, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
  const described = paths.map((path): [string, string] => {
    const name = relative(storage, path)
    if (lstatSync(path).isSymbolicLink()) return [name, readlinkSync(path)]
    return [name, name.startsWith('refs/') ? readFileSync(path, 'utf8') : `${lstatSync(path).size} bytes`]
  })
  return Object.fromEntries(described.filter(([name]) => /^(blobs|refs|snapshots)\//.test(name)).sort())
}

/** Files of a repository whose layout `test/fixtures/hub/layout.json` has, as huggingface_hub made it. */
export const LAYOUT_FILES = new Map(
  Object.entries({
    'config.json': '{"model_type": "llama"}',
    'tokenizer.json': '{}',
    'model.safetensors.index.json': '{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}',
    'model-00001-of-00002.safetensors': 'first shard',
    'model-00002-of-00002.safetensors': 'second shard',
  }).map(([name, text]) => [name, Buffer.from(text)]),
) // prettier-ignore
