/**
 * `sandbox-process.ts PYODIDE MEMORY_MB`: runs Python programs over IPC, one at a time, and always listens.
 *
 * The walls, from the inside out. Each program has a WebAssembly instance of its own, whose whole world is the functions
 * in `host-functions.ts`: memory with a limit, clocks, files that can be read. No object of JavaScript is in it. These run
 * in a thread that has nothing else, without code from strings, modules or connections; it is ended, and another started,
 * where a program takes too long. Node's permissions leave this process Pyodide's files and these to read, and no writing,
 * process or addon. (They do allow threads, which inherit all of that.) Whoever started it ends it when it does not answer.
 *
 * Why not Pyodide itself, with its memory put back after each program: Python reaches Pyodide's objects through `gc`, and
 * what is done to those outlives any reset of memory. Why not a process or thread with a Pyodide for each program: from a
 * snapshot of memory, too, it takes 400 ms of processor time, of which an instance from an image takes 25.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { InterpreterImage } from './interpreter-image.ts'
import type { SandboxOrder, SandboxReply, ThreadReply } from './sandbox-messages.ts'

const [pyodide, memoryMegabytes] = process.argv.slice(2) as [string, string]
const MEGABYTE = 2 ** 20
const DOWN: ThreadReply = { answer: null, down: true }
const thread = (name: string, workerData: unknown) =>
  new Worker(new URL(`./${name}${import.meta.url.slice(-3)}`, import.meta.url), {
    workerData,
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: 256, stackSizeMb: 4 },
  })

const image = await makeImage()
/** The order that is being followed; 0 when none is. */
let current = 0
let programs = await startThread()

process.on('message', (order: SandboxOrder) => void follow(order))
process.on('disconnect', () => process.exit(0))
reply(0, { answer: null, down: false })

async function follow({ id, request }: SandboxOrder): Promise<void> {
  if (request !== null) {
    current = id
    programs.postMessage(request)
  } else if (id === current) {
    await programs.terminate()
  }
}

function reply(id: number, told: ThreadReply): void {
  process.send!({ ...told, id } satisfies SandboxReply)
}

async function makeImage(): Promise<InterpreterImage> {
  const making = thread('image-thread', pyodide)
  const [made] = (await once(making, 'message')) as [InterpreterImage]
  return made
}

/** A thread that is ready. Where it ends, for whatever reason, its program is down, and another takes its place. */
async function startThread(): Promise<Worker> {
  const started = thread('program-thread', { image, memoryBytes: Number(memoryMegabytes) * MEGABYTE })
  await once(started, 'message')
  const settle = (told: ThreadReply) => {
    const id = current
    current = 0
    if (id !== 0) reply(id, told)
  }
  started.on('message', settle)
  started.on('error', () => undefined)
  started.once('exit', () => {
    void startThread().then((next) => {
      programs = next
      settle(DOWN)
    })
  })
  return started
}
