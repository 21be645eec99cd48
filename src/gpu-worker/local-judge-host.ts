import { fork, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GavelError } from '../core/errors.ts'
import type { BlobStore, FirstTokenLogprobs, JudgeClient } from '../core/ports.ts'
import type { JudgeInput } from '../core/schemas/worker.ts'
import { fetchCheckpoint } from './checkpoint/fetch.ts'
import type { FromJudge, OpenJudge, ToJudge } from './judge-process.ts'
import type { LocalJudgeOptions } from './local-judge.ts'
import type { SourceOptions } from './models/source.ts'
import { unpackError } from './packed-error.ts'

const JUDGE_PROCESS = new URL(`./judge-process${import.meta.url.slice(-3)}`, import.meta.url)
/** A judge that nobody asks for so long gives its memory back; asked again, it is loaded again. */
const IDLE_MS = 5 * 60_000

type Answers = (FirstTokenLogprobs | Error)[]
interface Call {
  resolve: (answers: Answers) => void
  reject: (error: Error) => void
}
/** A judge's process and the calls it has not answered. */
interface Host {
  child: ChildProcess
  calls: Map<number, Call>
  /** To be called where the number of calls changes. */
  settle: () => void
}

/**
 * A local judge in a process of its own, for a server that must stay responsive; started when first asked.
 * Asking rejects with what kept the model from being opened, and with `judge_unreachable` where the process dies.
 * @param blobs where the objects of a checkpoint are read, by the key in `url`
 */
export function localJudgeHost(
  judge: JudgeInput,
  blobs: BlobStore,
  engine: SourceOptions & Pick<LocalJudgeOptions, 'threads'>,
): JudgeClient {
  const options = { ...engine, labels: judge.labels }
  let host: Promise<Host> | undefined
  /** The process that `host` stands for, once there is one. */
  let live: ChildProcess | undefined
  let count = 0

  const start = async (): Promise<Host> => {
    const { model, cleanUp } = await modelOf(judge, blobs)
    const child = fork(JUDGE_PROCESS, { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    live = child
    const calls = new Map<number, Call>()
    const forget = () => {
      if (live === child) host = live = undefined
    }
    const retire = () => {
      forget()
      child.kill()
    }
    // A judge that waits does not keep this process from ending; one that is asked does.
    let idle: NodeJS.Timeout | undefined
    const settle = () => {
      clearTimeout(idle)
      if (calls.size > 0) return hold(child, 'ref')
      hold(child, 'unref')
      idle = setTimeout(retire, IDLE_MS).unref()
    }
    child.on('message', (message: FromJudge) => {
      const { resolve, reject } = calls.get(message.call)!
      calls.delete(message.call)
      settle()
      if (message.type === 'answered')
        return resolve(message.answers.map((a) => ('error' in a ? unpackError(a.error) : a)))
      // Opened anew next time: what was wrong may have been mended by then.
      retire()
      reject(unpackError(message.error))
    })
    const ended = (how: string) => {
      clearTimeout(idle)
      forget()
      cleanUp()
      const error = new GavelError('judge_unreachable', `the process of the local judge ${how}; try again`)
      for (const { reject } of calls.values()) reject(error)
    }
    child.on('error', (error) => ended(`failed: ${error.message}`))
    child.on('exit', (code, signal) =>
      ended(signal ? `was killed by ${signal} (out of memory?)` : `ended with status ${code}`),
    )
    tell(child, { type: 'open', model, options })
    return { child, calls, settle }
  }

  return {
    async firstTokenLogprobs(requests, signal) {
      signal?.throwIfAborted()
      host ??= start().catch((error: unknown) => {
        host = undefined
        throw error
      })
      const { child, calls, settle } = await host
      return new Promise<Answers>((resolve, reject) => {
        const call = ++count
        calls.set(call, { resolve, reject })
        settle()
        signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
        tell(child, { type: 'ask', call, requests })
      })
    },
  }
}

function hold(child: ChildProcess, how: 'ref' | 'unref'): void {
  child[how]()
  child.channel?.[how]()
}

const tell = (child: ChildProcess, message: ToJudge) => void child.send(message)

/** What the process is to open, a checkpoint's objects fetched into a folder that `cleanUp` removes. */
async function modelOf(judge: JudgeInput, blobs: BlobStore): Promise<{ model: OpenJudge; cleanUp: () => void }> {
  if (!judge.model) throw new GavelError('unavailable_here', `judge ${judge.id} is not a local one`, { param: 'judge' })
  if (judge.model.type !== 'checkpoint') return { model: judge.model, cleanUp: () => {} }
  const path = mkdtempSync(join(tmpdir(), 'gavel-judge-'))
  const cleanUp = () => rmSync(path, { recursive: true, force: true })
  try {
    const download = async ({ url }: { url: string }) => new Response((await blobs.stream(url))?.body ?? null)
    await fetchCheckpoint({ download }, judge.model.objects, path)
    return { model: { type: 'folder', path }, cleanUp }
  } catch (error) {
    cleanUp()
    throw error
  }
}
