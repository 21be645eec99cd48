/** The package as npm would publish it, in a project that has nothing else of ours. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../../testing/tiny-model-folder.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const CONSUMER = `
import { ApiError, createClient, type NewJob } from 'gavel-rl'

const job: NewJob = { type: 'sft', model: 'm', dataset: 'd', config: { steps: 2 } }
// @ts-expect-error a job of no kind
const wrong: NewJob = { type: 'nothing' }
const api = createClient({ url: 'http://127.0.0.1:9', key: 'gvl_x' })
const error: unknown = await api.jobs.create(job).catch((error: unknown) => error)
console.log(error instanceof ApiError && error.code)
export const probability = async (): Promise<number | null | undefined> =>
  (await api.judge('j', [{ question: 'q', answer: 'a' }]))[0]?.probability
export { wrong }
`

test('the client of the published package has its types, and runs', () => {
  const project = temporaryFolder()
  const run = (command: string, args: string[], cwd: string) =>
    execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', project], ROOT).replace(/^[^[]*/, '')) as [{ filename: string }] // prettier-ignore
  const installed = join(project, 'node_modules/gavel-rl')
  mkdirSync(installed, { recursive: true })
  run('tar', ['-xzf', join(project, filename), '--strip-components=1', '-C', installed], project)
  symlinkSync(join(ROOT, 'node_modules/valibot'), join(project, 'node_modules/valibot'))
  writeFileSync(join(project, 'package.json'), '{"type": "module"}')
  writeFileSync(join(project, 'consumer.ts'), CONSUMER)
  const compilerOptions = { strict: true, module: 'nodenext', target: 'es2024', lib: ['es2024', 'dom'], types: [] }
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }))
  run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', project], project)
  assert.equal(run(process.execPath, ['consumer.js'], project), 'unreachable\n')
})
