import type { Command } from 'commander'
import type { Usage } from '../core/schemas/usage.ts'
import { connect, listCommand, type ApiOptions } from './api-command.ts'
import type { Io } from './io.ts'
import { printList, type Columns } from './output.ts'

const COLUMNS: Columns<Usage> = {
  day: (u) => u.day,
  key: (u) => u.key ?? '-',
  job: (u) => u.job ?? '-',
  judge: (u) => u.judge ?? '-',
  items: (u) => String(u.items),
  cached: (u) => String(u.cached),
  abstained: (u) => String(u.abstained),
  failed: (u) => String(u.failed),
  tokens: (u) => String(u.prompt_tokens + u.completion_tokens),
  usd: (u) => String(Number(u.cost.toFixed(6))),
}

/** `gavel usage`: what was used, by day, key, job and judge. */
export function registerUsage(program: Command, io: Io): void {
  listCommand(program, 'usage', 'what was used, by day, key, job and judge; newest day first')
    .option('--from <day>', 'first day, such as 2026-11-01; the first of this month by default')
    .option('--to <day>', 'last day; today by default')
    .action(async ({ from, to, ...options }: ApiOptions & { limit: number; from?: string; to?: string }) => {
      const api = connect(io, options)
      const days = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
      await printList(io, options, ({ limit }) => api.usage({ ...days, limit }), COLUMNS)
    })
}
