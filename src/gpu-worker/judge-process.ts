/** The process behind local-judge-host.ts: holds one judge's model, answers until its parent is gone. */
import type { FirstTokenLogprobs, JudgeClient, JudgeRequest } from '../core/ports.ts'
import type { ModelSource } from '../core/schemas/model.ts'
import { localJudgeClient, type LocalJudgeOptions } from './local-judge.ts'
import { openFolder, openModel, type SourceOptions } from './models/source.ts'
import { packError, type PackedError } from './packed-error.ts'

export type ToJudge =
  | { type: 'open'; model: OpenJudge; options: SourceOptions & LocalJudgeOptions }
  | { type: 'ask'; call: number; requests: JudgeRequest[] }

/** A model's source, or the folder of a checkpoint that has been fetched. */
export type OpenJudge = Exclude<ModelSource, { type: 'checkpoint' }> | { type: 'folder'; path: string }

export type FromJudge =
  | { type: 'answered'; call: number; answers: (FirstTokenLogprobs | { error: PackedError })[] }
  | { type: 'failed'; call: number; error: PackedError }

let client: Promise<JudgeClient> | undefined

const HANDLERS: { [T in ToJudge['type']]: (message: Extract<ToJudge, { type: T }>) => void } = {
  open({ model, options }) {
    client = open(model, options)
    // Whoever asks is told.
    client.catch(() => {})
  },
  ask({ call, requests }) {
    const send = (message: FromJudge) => process.send!(message)
    client!
      .then((judge) => judge.firstTokenLogprobs(requests))
      .then((answers) =>
        send({
          type: 'answered',
          call,
          answers: answers.map((a) => (a instanceof Error ? { error: packError(a) } : a)),
        }),
      )
      .catch((error: unknown) => send({ type: 'failed', call, error: packError(error) }))
  },
}

async function open(model: OpenJudge, options: SourceOptions & LocalJudgeOptions): Promise<JudgeClient> {
  const folder = model.type === 'folder' ? openFolder(model.path) : await openModel(model, options)
  return localJudgeClient(folder, { threads: options.threads, ...(options.labels && { labels: options.labels }) })
}

process.on('message', (message: ToJudge) => (HANDLERS[message.type] as (m: ToJudge) => void)(message))
process.on('disconnect', () => process.exit(0))
// The parent decides what an interrupt means.
process.on('SIGINT', () => {})
