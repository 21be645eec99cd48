import type { Command } from 'commander'
import type { EvalResult } from '../core/schemas/eval.ts'
import { apiCommand, connect, type ApiOptions } from './api-command.ts'
import { follow } from './follow.ts'
import type { Io } from './io.ts'
import { addJobFlags, jobFromFlags } from './job-flags.ts'
import { percent, print } from './output.ts'

/** `gavel eval`: what share of a dataset a model answers correctly. */
export function registerEval(program: Command, io: Io): void {
  addJobFlags(apiCommand(program, 'eval', 'measure what share of a dataset a model answers correctly'), 'eval').action(
    async (options: ApiOptions) => {
      const api = connect(io, options)
      const job = await api.jobs.create(jobFromFlags('eval', { ...options }))
      // Standard output is for the result.
      const ended = await follow(io, api, job, {}, (line) => io.err(`${line}\n`))
      const result = ended.result as unknown as EvalResult
      print(io, options, { job: ended.id, ...result }, ({ accuracy, correct, n, low, high }) => {
        return `accuracy ${percent(accuracy)} (${correct} of ${n}), 95 % interval ${percent(low)} to ${percent(high)}`
      })
    },
  )
}
