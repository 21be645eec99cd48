import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ADAPTER = fileURLToPath(new URL('../../../src/adapters/cloudflare/workers-ai-fetch.ts', import.meta.url))
/** The binary that wrangler brings. */
const { default: WORKERD } = createRequire(import.meta.url)('workerd') as { default: string }

/** What is posted to it goes through the adapter to the binding; what that throws comes back in a header. */
const WORKER = `
import { workersAiFetch } from 'workers-ai-fetch.js'
export default {
  async fetch(request, env) {
    try {
      return await workersAiFetch(env.AI)(request.url, { body: await request.text(), signal: request.signal })
    } catch (error) {
      return new Response(null, { status: 500, headers: { 'x-thrown': error.message } })
    }
  },
}`

const CONFIG = (port: number, upstream: string) => `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [
        (name = "worker.js", esModule = embed "worker.js"),
        (name = "workers-ai-fetch.js", esModule = embed "workers-ai-fetch.js"),
      ],
      compatibilityDate = "2026-09-01",
      compatibilityFlags = ["enable_request_signal"],
      bindings = [(name = "AI", wrapped = (
        moduleName = "cloudflare-internal:ai-api",
        innerBindings = [(name = "fetcher", service = "upstream")],
      ))],
    )),
    (name = "upstream", external = (address = "${upstream}", http = ())),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);`

export interface WorkersAiRelay {
  /** The adapter in workerd, as the process that runs it there would call it. */
  fetch: typeof fetch
  close(): Promise<void>
}

/**
 * Real workerd with its own code of the Workers AI binding, and the adapter before it. Instead of Cloudflare's models a
 * server at `upstream` (host:port) answers.
 */
export async function startWorkersAiRelay(upstream: string): Promise<WorkersAiRelay> {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-workerd-'))
  const port = await freePort()
  writeFileSync(join(folder, 'worker.js'), WORKER)
  writeFileSync(join(folder, 'workers-ai-fetch.js'), stripTypeScriptTypes(readFileSync(ADAPTER, 'utf8')))
  writeFileSync(join(folder, 'config.capnp'), CONFIG(port, upstream))
  const workerd = spawn(WORKERD, ['serve', '--experimental', join(folder, 'config.capnp')], { stdio: 'inherit' })
  await listens(port, workerd)
  return {
    async fetch(_url, init) {
      const response = await fetch(`http://127.0.0.1:${port}/`, init)
      const thrown = response.headers.get('x-thrown')
      if (thrown !== null) throw new Error(thrown)
      return response
    },
    async close() {
      // A polite end waits for connections that are kept alive.
      workerd.kill('SIGKILL')
      await once(workerd, 'exit')
      rmSync(folder, { recursive: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function listens(port: number, workerd: ChildProcess): Promise<void> {
  for (;;) {
    if (workerd.exitCode !== null) throw new Error(`workerd ended with ${workerd.exitCode}`)
    const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'no JSON' }).catch(() => null)
    if (answer) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
