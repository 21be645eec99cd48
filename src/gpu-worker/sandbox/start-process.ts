import { spawn, type ChildProcess } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const HERE = dirname(fileURLToPath(import.meta.url))
const SCRIPT = fileURLToPath(new URL(`./sandbox-process${import.meta.url.slice(-3)}`, import.meta.url))

/** A process that may read Pyodide's files and these, and start threads; without environment. It ends with this one. */
export function startProcess(memoryMegabytes: number): ChildProcess {
  const pyodide = import.meta.resolve('pyodide')
  const flags = [
    '--permission',
    '--allow-worker',
    ...[dirname(fileURLToPath(pyodide)), HERE].map((folder) => `--allow-fs-read=${folder}`),
    '--disallow-code-generation-from-strings',
    '--no-warnings',
  ]
  return spawn(process.execPath, [...flags, SCRIPT, pyodide, String(memoryMegabytes)], {
    env: {},
    cwd: HERE,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
}
