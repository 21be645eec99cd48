/** The command `gavel`. */
import { API_COMMANDS } from './api-commands.ts'
import { registerDev } from './dev.ts'
import type { Io } from './io.ts'
import { runProgram } from './run-program.ts'
import { registerServe } from './serve.ts'
import { registerWorker } from './worker.ts'

const REGISTRATIONS = [registerDev, registerWorker, registerServe, ...API_COMMANDS]

const io: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
  interrupted() {
    const controller = new AbortController()
    process.once('SIGINT', () => controller.abort())
    return controller.signal
  },
}

// A reader that has seen enough, such as `head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

process.exitCode = await runProgram(process.argv.slice(2), REGISTRATIONS, io)
