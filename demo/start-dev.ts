import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'

const LAUNCHER = fileURLToPath(new URL('../bin/gavel.js', import.meta.url))
const PACKAGE = fileURLToPath(new URL('..', import.meta.url))

/** Starts `gavel dev` on a free port, as a user would, and waits until it says where it is. */
export async function startDev(data: string): Promise<{ url: string; key: string; stop: () => Promise<void> }> {
  const key = `gvl_${randomBytes(32).toString('hex')}`
  const child = spawn(process.execPath, [LAUNCHER, 'dev', '--port', '0', '--data', data, '--models', PACKAGE], {
    env: { ...process.env, GAVEL_API_KEY: key },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  process.once('exit', () => child.kill())
  const url = await new Promise<string>((resolve, reject) => {
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      const ready = /ready on (http:\S+)/.exec(output)
      if (ready) resolve(ready[1]!)
    })
    void exited.then(() => reject(new Error(`gavel dev ended before it was ready:\n${errors}`)))
  })
  return {
    url,
    key,
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}
