/**
 * The process that runs one job: ONNX Runtime blocks its event loop, so leases, heartbeats and uploads are its
 * parent's (run-loop.ts). It speaks job-messages.ts over IPC and ends with the job, or with its parent.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { datasetRows } from '../../core/datasets/dataset-rows.ts'
import { GavelError } from '../../core/errors.ts'
import { scoreItems } from '../../core/judges/score.ts'
import type { Judgment } from '../../core/judges/probability.ts'
import type { ModelInput } from '../../core/schemas/worker.ts'
import { runAlgorithm } from '../algorithms/index.ts'
import { RunStopped, type RunContext } from '../algorithms/run-context.ts'
import { localJudgeClient } from '../local-judge.ts'
import { openFolder, openModel } from '../models/source.ts'
import { jobErrorOf } from './job-error.ts'
import type { FromJob, JobOrder, ToJob } from './job-messages.ts'

const send = (message: FromJob) => new Promise<void>((resolve) => void process.send!(message, () => resolve()))

let stopRequested = false
let committed: () => void = () => {}
const judgeAnswers = new Map<number, (judgments: Judgment[]) => void>()

const HANDLERS: { [T in ToJob['type']]: (message: Extract<ToJob, { type: T }>) => void } = {
  start: ({ order }) => void run(order),
  stop: () => (stopRequested = true),
  committed: () => committed(),
  judged: ({ request, judgments }) => {
    judgeAnswers.get(request)!(judgments)
    judgeAnswers.delete(request)
  },
}

process.on('message', (message: ToJob) => (HANDLERS[message.type] as (m: ToJob) => void)(message))
process.on('disconnect', () => process.exit(1))
// A terminal and a service manager signal the whole group; the parent decides what it means, and says so.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})

async function run(order: JobOrder): Promise<void> {
  try {
    const result = await runAlgorithm(order.job.spec, await contextOf(order))
    await send({ type: 'done', result })
  } catch (error) {
    if (error instanceof RunStopped) await send({ type: 'stopped' })
    else {
      // For the operator, who alone can make something of where it happened.
      if (!(error instanceof GavelError)) console.error(error)
      await send({ type: 'failed', ...jobErrorOf(error) })
    }
  }
  process.exit(0)
}

async function contextOf(order: JobOrder): Promise<RunContext> {
  const { job, options, workspace } = order
  const open = (input: ModelInput, folder: string | null) =>
    input.type === 'checkpoint' ? Promise.resolve(openFolder(folder!)) : openModel(input, options)
  const judge = await judgeOf(order)
  return {
    clock: { now: () => performance.timeOrigin + performance.now() },
    threads: options.threads,
    resume: order.resume,
    openModel: () => open(job.inputs.model, order.modelFolder),
    rows: (role) => [...datasetRows(readFileSync(order.datasets[role]!))],
    judge,
    metrics: (step, values) => void send({ type: 'metrics', point: { step, values } }),
    event: (level, message, data) => void send({ type: 'event', event: { level, message, ...(data && { data }) } }),
    samples: (samples) => void send({ type: 'samples', samples }),
    async checkpoint(step, state, write) {
      const folder = join(workspace, `step-${step}`)
      mkdirSync(folder, { recursive: true })
      write(folder)
      const done = new Promise<void>((resolve) => (committed = resolve))
      await send({ type: 'checkpoint', step, state, folder })
      await done
    },
    stopRequested: () => stopRequested,
  }

  /** A local judge is loaded here; any other is asked by the parent, through the API. */
  async function judgeOf({ job: { inputs }, judgeFolder }: JobOrder): Promise<RunContext['judge']> {
    const { judge } = inputs
    if (judge?.model) {
      const client = await localJudgeClient(await open(judge.model, judgeFolder), {
        threads: options.threads,
        labels: judge.labels,
      })
      const cache = { getMany: async () => new Map(), putMany: async () => {} }
      return (items) => scoreItems(items, judge, client, cache)
    }
    let request = 0
    return async (items) => {
      const answer = new Promise<Judgment[]>((resolve) => judgeAnswers.set(++request, resolve))
      await send({ type: 'judge', request, items })
      return answer
    }
  }
}
