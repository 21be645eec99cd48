import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { GGUF_ARCHITECTURES } from '../../../src/gpu-worker/models/gguf-architectures.ts'
import { MODEL_TYPES } from '../../../src/gpu-worker/models/index.ts'
import { WRAPPERS } from '../../../src/gpu-worker/models/text-part.ts'

/** The rows of the table of architectures, as the names in each column's backquotes. */
function documented(): { types: string[]; gguf: string[] } {
  const text = readFileSync(new URL('../../../docs/models.md', import.meta.url), 'utf8')
  const [, table = ''] = /\n(\| `model_type`[\s\S]*?)\n\n/.exec(text) ?? []
  const names = (cell: string | undefined) => [...(cell ?? '').matchAll(/`([\w]+)`/g)].map(([, name]) => name!)
  const rows = table
    .split('\n')
    .slice(2)
    .map((line) => line.split('|'))
  return { types: rows.flatMap((cells) => names(cells[1])), gguf: rows.flatMap((cells) => names(cells[3])) }
}

test('the documentation lists what opens, and nothing else', () => {
  const { types, gguf } = documented()
  assert.deepEqual(types.sort(), [...MODEL_TYPES, ...Object.keys(WRAPPERS)].sort())
  assert.deepEqual([...new Set(gguf)].sort(), Object.keys(GGUF_ARCHITECTURES).sort())
})
