import { fork } from 'node:child_process'
import type { Ending, FromJob, JobOrder, Report, Said, ToJob } from './job-messages.ts'
import { watchProcess, type ProcessLimits } from './watch-process.ts'

const JOB_PROCESS = new URL(`./job-process${import.meta.url.slice(-3)}`, import.meta.url)

/**
 * Runs a job in a process of its own and resolves when that process has ended. Its reports are handled one after the
 * other, in order, but for questions to judges; what a handler answers is told to the process. Rejects with what a handler rejects with.
 * @param stop asks the job to commit what it has and stop
 * @param over ends the process at once; rejects with the signal's reason
 * @param environment all that the process gets of one
 */
export async function runInProcess(
  order: JobOrder,
  {
    report,
    stop,
    over,
    limits,
    environment,
  }: {
    report: (report: Report) => Promise<ToJob | void>
    stop: AbortSignal
    over: AbortSignal
    limits: ProcessLimits
    environment: NodeJS.ProcessEnv
  },
): Promise<Ending> {
  over.throwIfAborted()
  const child = fork(JOB_PROCESS, {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: environment,
  })
  // A process that is gone need not hear anything; that it is gone comes out below.
  const tell = (message: ToJob) => child.connected && child.send(message, () => {})
  const tellStop = () => tell({ type: 'stop' })
  const { promise: end, resolve, reject } = Promise.withResolvers<Ending>()
  const giveUp = () => reject(over.reason as Error)

  let queue: Promise<unknown> = Promise.resolve()
  child.on('message', (message: FromJob) => {
    // A job asks ahead and goes on: what it asks next, or tells, need not wait for the answer.
    if (message.type === 'judge') {
      report(message).then((answer) => answer && tell(answer), reject)
      return
    }
    queue = queue.then(async () => {
      if (isEnding(message)) return resolve(message)
      const answer = await report(message)
      if (answer) tell(answer)
    })
    queue.catch(reject)
  })
  // Unlike `exit`, `close` comes after the last message.
  const closed = new Promise<void>((gone) => {
    child.once('close', (code, killedBy) => {
      const how = killedBy ? `was killed by ${killedBy} (out of memory?)` : `ended with status ${code}`
      const message = `The process running the job ${how} before the job was done. If that happens again, look at the worker's log and memory.`
      queue.then(
        () => resolve({ type: 'failed', error: { code: 'internal', message }, retryable: true }),
        () => {},
      )
      gone()
    })
    child.once('error', (error) => {
      reject(error)
      gone()
    })
  })

  stop.addEventListener('abort', tellStop)
  over.addEventListener('abort', giveUp)
  const unwatch = child.pid === undefined ? () => {} : watchProcess({ pid: child.pid, progress: order.progress, stop }, limits, resolve) // prettier-ignore
  try {
    tell({ type: 'start', order })
    if (stop.aborted) tellStop()
    return await end
  } finally {
    unwatch()
    stop.removeEventListener('abort', tellStop)
    over.removeEventListener('abort', giveUp)
    child.kill('SIGKILL')
    await closed
  }
}

const isEnding = (message: FromJob): message is Said =>
  message.type === 'done' || message.type === 'stopped' || message.type === 'failed'
