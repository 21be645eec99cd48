import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { API_COMMANDS } from '../../src/cli/api-commands.ts'
import { runProgram } from '../../src/cli/run-program.ts'
import { createClient, type Client } from '../../src/client.ts'
import { WorkerApi } from '../../src/gpu-worker/jobs/worker-api.ts'
import { startServer } from '../../src/server.ts'

const KEY = 'gvl_key-of-the-operator'

export interface Ran {
  code: number
  out: string
  err: string
}

export interface RunOptions {
  env?: Record<string, string>
  /** Aborting it is Ctrl-C. */
  interrupted?: AbortSignal
  /** Told what has been printed so far. */
  onOut?: (text: string) => void
}

export interface CliServer {
  url: string
  /** An empty folder, for files of the test. */
  folder: string
  /** Where the server keeps its objects. */
  objects: string
  api: Client
  worker: WorkerApi
  /** Runs `gavel` with the arguments, in this process. */
  gavel(args: string[], options?: RunOptions): Promise<Ran>
  /** Writes a file into the folder; gives its path. */
  file(name: string, text: string): string
  /** Runs a command that must do what it is asked; the words of the line are its arguments. Gives what it prints. */
  ok(line: string, ...more: string[]): Promise<string>
  /** The same with `--json`, parsed. */
  // eslint-disable-next-line ts/no-explicit-any -- tests look into answers of every shape
  json(line: string, ...more: string[]): Promise<any>
  /** Runs a command that must fail with the code; gives its one line on stderr. */
  fails(code: number, line: string, ...more: string[]): Promise<string>
  close(): Promise<void>
}

/** A real server with nothing in it, and the command line that talks to it. No worker runs: a test plays it. */
export async function startCliServer(): Promise<CliServer> {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-cli-'))
  const dataDir = join(folder, 'server')
  const secretKey = 'a passphrase for the tests, quite long'
  const server = await startServer({ dataDir, adminKey: KEY, secretKey, allowPrivateUrls: true })
  const gavel: CliServer['gavel'] = async (args, { env, interrupted = new AbortController().signal, onOut } = {}) => {
    const ran = { out: '', err: '' }
    const io = {
      out(text: string) {
        ran.out += text
        onOut?.(ran.out)
      },
      err: (text: string) => void (ran.err += text),
      env: env ?? { GAVEL_URL: server.url, GAVEL_API_KEY: KEY },
      interrupted: () => interrupted,
    }
    return { code: await runProgram(args, API_COMMANDS, io), ...ran }
  }
  const ok: CliServer['ok'] = async (line, ...more) => {
    const { code, out, err } = await gavel([...line.split(' '), ...more])
    assert.deepEqual([code, err], [0, ''], line)
    return out
  }
  return {
    url: server.url,
    folder,
    objects: join(dataDir, 'objects'),
    api: createClient({ url: server.url, key: KEY }),
    worker: new WorkerApi({ url: server.url, key: KEY }),
    gavel,
    file(name, text) {
      writeFileSync(join(folder, name), text)
      return join(folder, name)
    },
    ok,
    json: async (line, ...more) => JSON.parse(await ok(line, ...more, '--json')),
    async fails(code, line, ...more) {
      const ran = await gavel([...line.split(' '), ...more])
      assert.equal(ran.code, code, `${line}: ${ran.err}`)
      assert.match(ran.err, /^gavel: .*\n$/)
      return ran.err
    },
    async close() {
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
