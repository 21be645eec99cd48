import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ESLint } from 'eslint'
import tseslint from 'typescript-eslint'
// @ts-expect-error plain JavaScript, because ESLint's own config loads it
import { boundaries } from '../../scripts/lint/boundaries.js'

const eslint = new ESLint({
  overrideConfigFile: true,
  overrideConfig: [...boundaries, { files: ['**/*.ts'], languageOptions: { parser: tseslint.parser } }],
})

async function complaints(file: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath: file })
  return result!.messages.map((message) => message.message)
}

const REFUSED: [file: string, code: string, complaint: RegExp][] = [
  ['src/core/stats/x.ts', `import { app } from '../../routes/app.ts'`, /src\/core may import only itself/],
  ['src/core/x.ts', `import { readFileSync } from 'node:fs'`, /packages valibot, not node:fs/],
  ['src/core/x.ts', `import { Hono } from 'hono'`, /not hono/],
  ['src/core/x.ts', `export * from '../gpu-worker/judge.ts'`, /not src\/gpu-worker/],
  ['src/core/x.ts', `type App = import('../routes/app.ts').App`, /not src\/routes/],
  ['src/core/x.ts', `const app = await import('../routes/app.ts')`, /not src\/routes/],
  ['src/core/x.ts', `export const answer = await fetch('/')`, /'fetch'/],
  ['src/core/x.ts', `export const now = Date.now()`, /take a Clock/],
  ['src/core/x.ts', `export const now = new Date()`, /take a Clock/],
  ['src/core/x.ts', `export const chance = Math.random()`, /take an Rng/],
  ['src/core/x.ts', `export const id = crypto.randomUUID()`, /take an Entropy/],
  ['src/core/x.ts', `console.log(1)`, /'console'/],
  ['src/core/x.ts', `export const text = Buffer.from('')`, /'Buffer'/],
  ['src/core/x.ts', `export const version = process.version`, /'process'/],
  ['src/routes/jobs.ts', `import { judge } from '../gpu-worker/judge.ts'`, /src\/routes may import/],
  ['src/routes/jobs.ts', `import { database } from '../adapters/node/database.ts'`, /src\/routes may import/],
  ['src/routes/jobs.ts', `import { join } from 'node:path'`, /not node:path/],
  ['src/routes/jobs.ts', `export const text = Buffer.from('')`, /where there is no Node/],
  ['src/adapters/judges/openai.ts', `export const version = process.version`, /where there is no Node/],
  ['src/adapters/node/x.ts', `export const home = process.env.HOME`, /Only entries read the environment/],
  ['src/gpu-worker/x.ts', `const { env } = process`, /Only entries read the environment/],
  ['src/adapters/node/x.ts', `import { env } from 'node:process'`, /global `process`/],
  ['src/adapters/node/x.ts', `import { app } from '../../routes/app.ts'`, /not src\/routes/],
  ['src/adapters/judges/openai.ts', `import { lookup } from 'node:dns'`, /not node:dns/],
  ['src/adapters/cloudflare/x.ts', `import { folder } from '../node/folder.ts'`, /not src\/adapters\/node/],
  ['src/gpu-worker/run-loop.ts', `import { app } from '../routes/app.ts'`, /not src\/routes/],
  ['src/gpu-worker/run-loop.ts', `import { start } from './main.ts'`, /is an entry/],
  ['src/gpu-worker/judge.ts', `import * as ort from 'onnxruntime-node'`, /only src\/gpu-worker\/runtime/],
  ['src/gpu-worker/graph/ops.ts', `import { session } from '../runtime/session.ts'`, /not src\/gpu-worker\/runtime/],
  ['src/cli/main.ts', `import * as ort from 'onnxruntime-node'`, /only src\/gpu-worker\/runtime/],
  ['src/lost.ts', `import './core/errors.ts'`, /is in no room/],
]

const ALLOWED: [file: string, code: string][] = [
  ['src/core/judges/x.ts', `import * as v from 'valibot'; import { GavelError } from '../errors.ts'`],
  ['src/core/x.ts', `export const iso = (ms: number) => new Date(ms).toISOString()`],
  ['src/routes/jobs.ts', `import { Hono } from 'hono'; import '../core/ids.ts'`],
  ['src/adapters/node/x.ts', `import { DatabaseSync } from 'node:sqlite'; import { jobs } from '../database/jobs.ts'`],
  ['src/adapters/database/x.ts', `import { drizzle } from 'drizzle-orm/d1'`],
  ['src/gpu-worker/x.ts', `import { Session } from './runtime/session.ts'; import '../core/rl/kl.ts'`],
  ['src/gpu-worker/runtime/session.ts', `import * as ort from 'onnxruntime-node'`],
  ['src/server.ts', `import { createApp } from './routes/app.ts'; export const port = process.env.PORT`],
  ['src/cli/main.ts', `import { startServer } from '../server.ts'; console.log(process.env.HOME, Date.now())`],
  ['src/gpu-worker/main.ts', `import { folder } from '../adapters/node/folder.ts'; export const e = process.env.HOME`],
  ['test/e2e/x.test.ts', `import { createApp } from '../../src/routes/app.ts'`],
]

for (const [file, code, complaint] of REFUSED) {
  test(`refused in ${file}: ${code}`, async () => {
    const found = await complaints(file, code)
    assert.equal(found.length, 1, found.join('\n'))
    assert.match(found[0]!, complaint)
  })
}

for (const [file, code] of ALLOWED) {
  test(`allowed in ${file}: ${code}`, async () => {
    assert.deepEqual(await complaints(file, code), [])
  })
}
