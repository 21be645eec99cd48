/**
 * `sandbox-process.ts PYODIDE MEMORY_MB`: one Python interpreter (CPython as WebAssembly) that answers calls over IPC.
 *
 * The walls, from the inside out. The interpreter sees a file system of its own, in memory, which refuses writing, and
 * its memory has a limit. The bridge to JavaScript is taken away; were it found again, no code can be made from strings,
 * no module loaded, no connection opened. Node's own permissions leave it the interpreter's files to read, and no
 * writing, process, worker or addon. Whoever started it ends it when a call takes too long.
 *
 * Each call starts from the same memory: what a program did to the interpreter is gone afterwards.
 */
import dgram from 'node:dgram'
import dns from 'node:dns'
import { constants } from 'node:fs'
import module from 'node:module'
import net from 'node:net'
import { HARNESS } from './harness.ts'
import type { SandboxCall, SandboxReply } from './sandbox-messages.ts'

const [pyodideUrl, memoryMegabytes] = process.argv.slice(2) as [string, string]
const PAGE = 65_536
const MAX_BYTES = Number(memoryMegabytes) * 1024 * 1024
/** Memory never shrinks, and is put back before each call: a process whose memory grew by more gives way to a new one. */
const SPARE_BYTES = 64 * 1024 * 1024
/** Processor seconds after which it does too, well before the operating system's limit. */
const WORN_SECONDS = 30

/** The longest report of a result, in characters: its text and output, with what JSON escapes in them, are well below. */
const MOST_ANSWER = 2_000_000

interface Interpreter {
  runPython(source: string): (request: string) => unknown
  setStdin(options: object): void
  setStdout(options: object): void
  setStderr(options: object): void
  FS: Record<string, unknown>
  _module: { HEAPU8: Uint8Array }
}

limitMemory()
const interpreter = await startInterpreter()
const call = interpreter.runPython(HARNESS)
sealFiles(interpreter.FS)
sealProcess()
const clean = interpreter._module.HEAPU8.slice()

process.on('message', (request: SandboxCall) => {
  const reply = answer(request)
  const spent = isSpent()
  process.send!({ ...reply, spent } satisfies SandboxReply, () => {
    if (spent) process.exit(0)
  })
})
process.on('disconnect', () => process.exit(0))
process.send!({ id: 0, answer: '', spent: false } satisfies SandboxReply)

function answer({ id, request }: SandboxCall): Omit<SandboxReply, 'spent'> {
  const memory = interpreter._module.HEAPU8
  memory.set(clean)
  memory.fill(0, clean.length)
  const said: unknown = call(request)
  return { id, answer: typeof said === 'string' && said.length <= MOST_ANSWER ? said : '' }
}

function isSpent(): boolean {
  const { user, system } = process.cpuUsage()
  return interpreter._module.HEAPU8.length > clean.length + SPARE_BYTES || (user + system) / 1e6 > WORN_SECONDS
}

/** Growth beyond the limit fails, which Python sees as a MemoryError. */
function limitMemory(): void {
  const grow = WebAssembly.Memory.prototype.grow
  WebAssembly.Memory.prototype.grow = function (pages) {
    if (this.buffer.byteLength + pages * PAGE > MAX_BYTES) throw new RangeError('The sandbox has no more memory.')
    return grow.call(this, pages)
  }
}

async function startInterpreter(): Promise<Interpreter> {
  // Emscripten asks for the file system's constants in this way, which Node's permissions forbid.
  Object.assign(process, { binding: () => ({ fs: constants }) })
  const { loadPyodide } = (await import(pyodideUrl)) as {
    loadPyodide(options: object): Promise<Interpreter>
  }
  const loaded = await loadPyodide({
    jsglobals: Object.create(null) as object,
    env: { HOME: '/', PYTHONHASHSEED: '0' },
  })
  const nowhere = { batched: () => undefined }
  loaded.setStdin({ stdin: () => null })
  loaded.setStdout(nowhere)
  loaded.setStderr(nowhere)
  return loaded
}

/** The interpreter's files can be read and nothing else: its file system is outside the memory that is put back. */
function sealFiles(files: Record<string, unknown>): void {
  const { open, ErrnoError } = files as {
    open(path: unknown, flags?: string | number, ...rest: unknown[]): unknown
    ErrnoError: new (code: number) => Error
  }
  const READ_ONLY = 69 // Emscripten's EROFS.
  const refuse = () => {
    throw new ErrnoError(READ_ONLY)
  }
  const WRITING = constants.O_WRONLY | constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC
  files.open = (path: unknown, flags: string | number = 0, ...rest: unknown[]) => {
    if (typeof flags === 'string' ? flags !== 'r' : (flags & WRITING) !== 0) refuse()
    return open.call(files, path, flags, ...rest)
  }
  const changes =
    'mknod mkdir mkdirTree mkdev symlink rename rmdir unlink chmod lchmod fchmod chown lchown fchown truncate ' +
    'ftruncate utime allocate mount unmount writeFile createDataFile createLazyFile createPath createDevice'
  for (const name of changes.split(' ')) if (name in files) files[name] = refuse
}

/** Nothing of Node's that reaches beyond this process may be used from here on. */
function sealProcess(): void {
  const refuse = () => {
    throw new Error('The sandbox does not allow this.')
  }
  const lock = (owner: object, names: string) => {
    for (const name of names.split(' '))
      Object.defineProperty(owner, name, { value: refuse, writable: false, configurable: false })
  }
  lock(net.Socket.prototype, 'connect')
  lock(net.Server.prototype, 'listen')
  lock(dgram.Socket.prototype, 'bind connect send')
  lock(dns, 'lookup resolve')
  lock(process, 'binding _linkedBinding dlopen getBuiltinModule kill')
  for (const name of ['fetch', 'WebSocket', 'EventSource', 'Worker', 'BroadcastChannel', 'MessageChannel'])
    delete (globalThis as Record<string, unknown>)[name]
  module.registerHooks({ resolve: refuse, load: refuse })
}
