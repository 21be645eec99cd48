/**
 * The thread in which programs run, one after the other, each in an interpreter of its own (`interpreter.ts`). A program
 * has no way to JavaScript; were one found, it would find nothing here that reaches further.
 */
import dgram from 'node:dgram'
import dns from 'node:dns'
import module from 'node:module'
import net from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { callOnce } from './interpreter.ts'
import type { InterpreterImage } from './interpreter-image.ts'
import type { ThreadReply } from './sandbox-messages.ts'

const { image, memoryBytes } = workerData as { image: InterpreterImage; memoryBytes: number }
const port = parentPort!
port.on('message', (request: string) => port.postMessage(answer(request)))
sealThread()
port.postMessage({ answer: null, down: false } satisfies ThreadReply)

function answer(request: string): ThreadReply {
  try {
    return { answer: callOnce(image, request, memoryBytes), down: false }
  } catch {
    return { answer: null, down: true }
  }
}

/** Nothing of Node's that reaches beyond this thread may be used from here on. */
function sealThread(): void {
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
  for (const name of ['fetch', 'WebSocket', 'EventSource', 'BroadcastChannel', 'MessageChannel'])
    delete (globalThis as Record<string, unknown>)[name]
  module.registerHooks({ resolve: refuse, load: refuse })
}
