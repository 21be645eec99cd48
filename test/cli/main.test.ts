import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startCliServer, type CliServer } from './cli-server.ts'

const GAVEL = join(import.meta.dirname, '../../bin/gavel.js')
const folder = mkdtempSync(join(tmpdir(), 'gavel-main-'))
let server: CliServer
before(async () => {
  server = await startCliServer()
})
after(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
})

/** The command in a process of its own. */
function start(...args: string[]) {
  const env = { ...process.env, GAVEL_URL: server.url, GAVEL_API_KEY: 'gvl_key-of-the-operator' }
  const child = spawn(process.execPath, [GAVEL, ...args], { env })
  const ran = { out: '', err: '' }
  child.stdout.on('data', (chunk) => (ran.out += chunk))
  child.stderr.on('data', (chunk) => (ran.err += chunk))
  return { child, ended: once(child, 'close').then(([code, signal]) => ({ ...ran, code, signal })) }
}

test('results go to stdout, complaints to stderr, the outcome into the exit code', async () => {
  const [help, wrong] = await Promise.all([start('--help').ended, start('data', 'show', 'nothing').ended])
  for (const command of [
    'dev',
    'worker',
    'judge',
    'verify',
    'data',
    'models',
    'train',
    'jobs',
    'eval',
    'keys',
    'usage',
  ]) {
    assert.match(help.out, new RegExp(`^  ${command} `, 'm'))
  }
  assert.deepEqual([help.code, help.err], [0, ''])
  assert.deepEqual([wrong.code, wrong.out], [1, ''])
  assert.match(wrong.err, /^gavel: `id`: there is no dataset "nothing"\..*\n$/)
})

test('Ctrl-C while following ends with 130 and leaves the job alone; a reader that leaves early is no error', async () => {
  await server.api.datasets.create('{"prompt": "2 + 3?", "answer": "5"}\n', { name: 'sums' })
  await server.api.models.create({ name: 'student', source: { type: 'hub', repo: 'owner/model' } })
  const config = { max_new_tokens: 8 }
  const { id } = await server.api.jobs.create({
    type: 'eval',
    model: 'student',
    dataset: 'sums',
    verifier: 'math',
    config,
  })

  const rows = join(folder, 'rows.jsonl')
  writeFileSync(rows, `${JSON.stringify({ text: '#### 1', gold: '1' })}\n`.repeat(20_000))
  const verifying = start('verify', rows)
  verifying.child.stdout.once('data', () => verifying.child.stdout.destroy())

  const following = start('jobs', 'follow', id)
  following.child.stdout.once('data', () => following.child.kill('SIGINT'))
  const { code, err } = await following.ended
  assert.equal(code, 130)
  assert.match(err, /^gavel: Let go of job_\w+, which goes on\..*\n$/)
  assert.equal((await server.api.jobs.get(id)).state, 'queued')

  const piped = await verifying.ended
  assert.deepEqual([piped.code, piped.err], [0, ''])
})
