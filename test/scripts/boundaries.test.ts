import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ESLint } from 'eslint'
import tseslint from 'typescript-eslint'
// @ts-expect-error plain JavaScript, because ESLint's own config loads it
import { boundaries, ROOMS } from '../../scripts/lint/boundaries.js'
// @ts-expect-error likewise
import { importCircles } from '../../scripts/lint/import-circles.js'

const eslint = new ESLint({
  overrideConfigFile: true,
  overrideConfig: [...boundaries, { files: ['**/*.ts'], languageOptions: { parser: tseslint.parser } }],
})

async function complaints(file: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath: file })
  return result!.messages.map((message) => message.message)
}

const REFUSED: [file: string, code: string, complaint: RegExp][] = [
  ['src/core/stats/x.ts', `import { app } from '../../routes/app.ts'`, /src\/core\/stats may import/],
  ['src/core/x.ts', `import { readFileSync } from 'node:fs'`, /not node:fs/],
  ['src/core/x.ts', `import * as v from 'valibot'`, /packages \(none\), not valibot/],
  ['src/core/x.ts', `import type { Judge } from './schemas/judge.ts'`, /src\/core may import only itself/],
  ['src/core/rl/x.ts', `import type { Judge } from '../schemas/judge.ts'`, /src\/core\/rl may import src\/core, not/],
  [
    'src/core/verifiers/math/arithmetic/x.ts',
    `import { cleanMath } from '../parsing/clean-math.ts'`,
    /may import only itself/,
  ],
  [
    'src/core/verifiers/math/units/x.ts',
    `import { sameValue } from '../values/same-value.ts'`,
    /not src\/core\/verifiers\/math\/values/,
  ],
  [
    'src/core/verifiers/math/values/x.ts',
    `import { parseValue } from '../parsing/parse-value.ts'`,
    /not src\/core\/verifiers\/math\/parsing/,
  ],
  [
    'src/core/verifiers/math/parsing/x.ts',
    `import { extractAnswer } from '../reading/extract-answer.ts'`,
    /not src\/core\/verifiers\/math\/reading/,
  ],
  ['src/core/verifiers/math/reading/x.ts', `import { math } from '../index.ts'`, /not src\/core\/verifiers/],
  ['src/core/x.ts', `import { Hono } from 'hono'`, /not hono/],
  ['src/core/x.ts', `export * from '../gpu-worker/judge/local-judge.ts'`, /not src\/gpu-worker/],
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
  [
    'src/routes/jobs.ts',
    `import { judge } from '../gpu-worker/judge/local-judge.ts'`,
    /src\/routes may import src\/core\/\*\*, src\/service\/\*\*/,
  ],
  ['src/routes/jobs.ts', `import { database } from '../adapters/node/database.ts'`, /src\/routes may import/],
  ['src/routes/jobs.ts', `import { join } from 'node:path'`, /not node:path/],
  ['src/routes/jobs.ts', `export const text = Buffer.from('')`, /where there is no Node/],
  ['src/adapters/judges/openai.ts', `export const version = process.version`, /where there is no Node/],
  ['src/adapters/node/x.ts', `export const home = process.env.HOME`, /Only entries read the environment/],
  ['src/gpu-worker/jobs/x.ts', `const { env } = process`, /Only entries read the environment/],
  ['src/adapters/node/x.ts', `import { env } from 'node:process'`, /global `process`/],
  ['src/adapters/node/x.ts', `import { app } from '../../routes/app.ts'`, /not src\/routes/],
  ['src/adapters/judges/openai.ts', `import { lookup } from 'node:dns'`, /not node:dns/],
  ['src/adapters/cloudflare/x.ts', `import { folder } from '../node/folder.ts'`, /not src\/adapters\/node/],
  ['src/gpu-worker/jobs/run-worker.ts', `import { app } from '../../routes/app.ts'`, /not src\/routes/],
  ['src/gpu-worker/jobs/run-worker.ts', `import { start } from '../main.ts'`, /is an entry/],
  ['src/gpu-worker/jobs/x.ts', `import { findResource } from '../../service/find-resource.ts'`, /not src\/service/],
  ['src/gpu-worker/progress/x.ts', `import { fetchFile } from '../weights/fetch-file.ts'`, /may import only itself/],
  ['src/gpu-worker/models/x.ts', `import { Trainer } from '../training/trainer.ts'`, /not src\/gpu-worker\/training/],
  ['src/service/usage/x.ts', `import type { Deps } from '../deps.ts'`, /not src\/service\/deps.ts/],
  ['src/service/jobs/x.ts', `import { askJudge } from '../judges/ask-judge.ts'`, /not src\/service\/judges/],
  ['src/service/datasets/x.ts', `import { createJob } from '../jobs/create-job.ts'`, /not src\/service\/jobs/],
  ['src/service/x.ts', `export const version = process.version`, /where there is no Node/],
  ['src/routes/http/x.ts', `import { openrlhf } from '../compat/openrlhf.ts'`, /not src\/routes\/compat/],
  ['src/gpu-worker/judge/x.ts', `import * as ort from 'onnxruntime-node'`, /only src\/gpu-worker\/runtime/],
  ['src/gpu-worker/graph/ops.ts', `import { session } from '../runtime/session.ts'`, /not src\/gpu-worker\/runtime/],
  ['src/cli/main.ts', `import * as ort from 'onnxruntime-node'`, /only src\/gpu-worker\/runtime/],
  ['src/lost.ts', `import './core/errors.ts'`, /is in no room/],
]

const ALLOWED: [file: string, code: string][] = [
  ['src/core/schemas/x.ts', `import * as v from 'valibot'; import { GavelError } from '../errors.ts'`],
  ['src/core/x.ts', `export const iso = (ms: number) => new Date(ms).toISOString()`],
  ['src/routes/jobs.ts', `import { Hono } from 'hono'; import '../service/ids.ts'`],
  [
    'src/adapters/node/x.ts',
    `import { DatabaseSync } from 'node:sqlite'; import { checkPublicUrl } from '../../service/public-url.ts'`,
  ],
  ['src/adapters/database/x.ts', `import { drizzle } from 'drizzle-orm/d1'`],
  ['src/gpu-worker/rollout/x.ts', `import { Session } from '../runtime/session.ts'; import '../../core/rl/kl.ts'`],
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

test('every room imports only from rooms that stand above it in the table, so that no arrow points up', () => {
  const rooms = Object.keys(ROOMS as Record<string, { imports: string[] }>)
  for (const [i, room] of rooms.entries()) {
    const above = rooms.slice(0, i)
    for (const imported of (ROOMS as Record<string, { imports: string[] }>)[room]!.imports) {
      assert.ok(above.includes(imported), `${room} imports ${imported}`)
    }
  }
})

test('circles of imports are found, type imports counted, and only they', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-circles-'))
  try {
    const write = (name: string, code: string) => writeFileSync(join(folder, name), code)
    mkdirSync(join(folder, 'inner'))
    write('a.ts', `import type { B } from './inner/b.ts'`)
    write('inner/b.ts', `export { c } from '../c.ts'`)
    write('c.ts', `const a = await import('./a.ts')`)
    write('d.ts', `import './a.ts'\nimport './e.ts'`)
    write('e.ts', `import 'node:fs'`)
    const circle = ['a.ts', 'c.ts', 'inner/b.ts']
    assert.deepEqual(
      Object.fromEntries(importCircles(folder, folder)),
      Object.fromEntries(circle.map((f) => [f, circle])),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})
