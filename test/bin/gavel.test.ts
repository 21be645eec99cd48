import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'

/** Makes the launcher believe that it runs on Node 20. */
const PRETEND_NODE_20 =
  'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.19.0"}})'

/** A stand-in for the CLI: prints what it was given, then does what its first argument says. */
const CLI = `
process.on('SIGTERM', () => process.exit(7))
process.on('SIGINT', () => process.exit(8))
console.log(JSON.stringify({ node: process.versions.node, args: process.argv.slice(2) }))
if (process.argv[2] === 'exit') process.exit(Number(process.argv[3]))
if (process.argv[2] === 'die') process.kill(process.pid, 'SIGKILL')
if (process.argv[2] === 'cat') process.stdin.pipe(process.stdout)
if (process.argv[2] === 'wait') setInterval(() => {}, 1000)
`

/** Sends the launcher a SIGTERM as soon as it has started its child, before anything else is run. */
const TERMINATED_AT_ONCE = `data:text/javascript,${encodeURIComponent(`
import child from 'node:child_process'
import { syncBuiltinESMExports } from 'node:module'
const { spawn } = child
child.spawn = (...args) => {
  const started = spawn(...args)
  process.kill(process.pid, 'SIGTERM')
  return started
}
syncBuiltinESMExports()
`)}`

/** How long a launcher and its CLI may take, in ms: a machine may be busy, but not for ever. */
const LIMIT = 60_000

const home = mkdtempSync(path.join(tmpdir(), 'gavel-launcher-'))
const launchers: ChildProcess[] = []
after(() => {
  // A group each: with the launcher goes the CLI that it may have left behind.
  for (const { pid } of launchers) {
    try {
      process.kill(-pid!, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
  rmSync(home, { recursive: true })
})

function write(file: string, text: string): void {
  mkdirSync(path.dirname(path.join(home, file)), { recursive: true })
  writeFileSync(path.join(home, file), text)
}

const bundled = path.join(home, `node_modules/node-linux-${process.arch}/bin/node`)
write('package.json', '{"type":"module"}')
write('dist/cli/main.js', CLI)
write('bin/gavel.js', '')
copyFileSync(new URL('../../bin/gavel.js', import.meta.url), path.join(home, 'bin/gavel.js'))

function start(args: string[], nodeOptions: string[] = ['--import', PRETEND_NODE_20]) {
  const launcher = path.join(home, 'bin/gavel.js')
  const child = spawn(process.execPath, [...nodeOptions, launcher, ...args], { detached: true, timeout: LIMIT })
  launchers.push(child)
  const result = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (result.stdout += chunk))
  child.stderr.on('data', (chunk) => (result.stderr += chunk))
  const ended = once(child, 'close').then(([code, signal]) => ({ ...result, code, signal }))
  return { child, ended, started: once(child.stdout, 'data') }
}

const inTime = { timeout: LIMIT }

test('a Node that is new enough runs the CLI itself', inTime, async () => {
  const { code, stdout } = await start(['exit', '3'], []).ended
  assert.deepEqual(JSON.parse(stdout), { node: process.versions.node, args: ['exit', '3'] })
  assert.equal(code, 3)
})

test('an old Node without a bundled one says what to do', inTime, async () => {
  const { code, stdout, stderr } = await start(['exit', '0']).ended
  assert.equal(code, 1)
  assert.equal(stdout, '')
  assert.match(stderr, /^gavel: this is Node 20\.19\.0, too old to run it\. Install Node 22\.18 or newer.*\n$/)
})

describe(
  'an old Node with a bundled one',
  { skip: process.platform !== 'linux' && 'the bundle of Linux is tried' },
  () => {
    before(() => {
      mkdirSync(path.dirname(bundled), { recursive: true })
      symlinkSync(process.execPath, bundled)
    })

    test('passes arguments and exit code through', inTime, async () => {
      write(bundled, '')
      rmSync(path.join(home, bundled))
      symlinkSync(process.execPath, path.join(home, bundled))
      const { code, stdout } = await start(['exit', '5', '--json', 'a b']).ended
      assert.deepEqual(JSON.parse(stdout), { node: process.versions.node, args: ['exit', '5', '--json', 'a b'] })
      assert.equal(code, 5)
    })

    test('passes standard input through', inTime, async () => {
      const { child, ended } = start(['cat'])
      child.stdin.end('a line\n')
      assert.match((await ended).stdout, /\na line\n$/)
    })

    for (const [signal, expected] of [
      ['SIGTERM', 7],
      ['SIGINT', 8],
    ] as const) {
      test(`passes ${signal} on and waits for the CLI to end`, inTime, async () => {
        const { child, ended, started } = start(['wait'])
        await started
        child.kill(signal)
        assert.equal((await ended).code, expected)
      })
    }

    test('a signal that comes before the launcher has done anything more ends both', inTime, async () => {
      const { code, signal } = await start(['wait'], ['--import', PRETEND_NODE_20, '--import', TERMINATED_AT_ONCE])
        .ended
      // By the CLI's own handler, or before it had one.
      assert.equal(signal, null)
      assert.ok(code === 7 || code === 128 + 15, String(code))
    })

    test('a CLI that was killed is reported as shells do', inTime, async () => {
      assert.equal((await start(['die']).ended).code, 128 + 9)
    })
  },
)

describe('a program that npm or npx has started through a shell', { timeout: 2 * LIMIT }, () => {
  const worker = ['worker', '--url', 'http://127.0.0.1:9', '--api-key', `gvl_${'c'.repeat(64)}`, '--device', 'cpu']
  const repository = path.join(import.meta.dirname, '../..')

  /** Starts it, sends SIGTERM to what was started once the worker speaks, and waits until no process is left. */
  async function terminated(command: string, args: string[], env: object): Promise<void> {
    const child = spawn(command, args, { cwd: repository, env: { ...process.env, ...env }, detached: true })
    try {
      child.stderr.setEncoding('utf8')
      for await (const text of child.stderr) if (/cannot be reached/.test(String(text))) break
      child.kill('SIGTERM')
      // Its pipes are closed when the last of its processes has ended.
      child.stderr.resume()
      child.stdout.resume()
      await once(child.stdout, 'close', { signal: AbortSignal.timeout(LIMIT) })
    } finally {
      try {
        process.kill(-child.pid!, 'SIGKILL')
      } catch {
        // None is left.
      }
    }
  }

  test('npm run: the signal reaches it', async () => {
    await terminated('npm', ['run', 'gavel', '--', ...worker], {})
  })

  test('npx: it ends when its shell does', async () => {
    // As npx calls it: a shell, which does not become the program.
    const words = [process.execPath, 'bin/gavel.js', ...worker].map((word) => `'${word}'`).join(' ')
    await terminated('sh', ['-c', `${words}; true`], { npm_command: 'exec' })
  })
})
