import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { JobTable } from '../../service/database.ts'
import type { Gauge } from '../../service/metrics.ts'
import type { CountedCache } from '../../service/usage/counted-cache.ts'
import type { Ledger } from '../../service/usage/ledger.ts'

/** What a Node process knows of itself; names as Prometheus' own clients have them. */
export function processGauges(): Gauge[] {
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  const started = Date.now() / 1000 - process.uptime()
  return [
    {
      name: 'process_cpu_seconds_total',
      help: 'Processor time used.',
      type: 'counter',
      read() {
        const { user, system } = process.cpuUsage()
        return (user + system) / 1e6
      },
    },
    { name: 'process_resident_memory_bytes', help: 'Resident memory.', read: () => process.memoryUsage.rss() },
    { name: 'process_start_time_seconds', help: 'When the process began, in Unix time.', read: () => started },
    {
      name: 'nodejs_eventloop_lag_p99_seconds',
      help: '99th percentile of how late the event loop was since the last look.',
      read() {
        const seconds = delay.percentile(99) / 1e9
        delay.reset()
        return seconds
      },
    },
  ]
}

/** What the API has done since it began, and the jobs there are. */
export function apiGauges(of: { ledger: Ledger; judgments: CountedCache; jobs: JobTable }): Gauge[] {
  const { totals } = of.ledger
  return [
    {
      name: 'gavel_judged_items_total',
      help: 'Items put before judges, by outcome, and whether they were known from before.',
      type: 'counter',
      read: () => {
        const { items, cached, abstained, failed } = totals.judged
        const sample = (outcome: string, value: number, known = 'false') => ({
          labels: { outcome, cached: known },
          value,
        })
        return [
          sample('scored', items - cached - abstained - failed),
          sample('scored', cached, 'true'),
          sample('abstained', abstained),
          sample('failed', failed),
        ]
      },
    },
    {
      name: 'gavel_judge_tokens_total',
      help: 'Tokens that judges read and wrote.',
      type: 'counter',
      read: () => [
        { labels: { kind: 'prompt' }, value: totals.judged.promptTokens },
        { labels: { kind: 'completion' }, value: totals.judged.completionTokens },
      ],
    },
    {
      name: 'gavel_judge_cost_total',
      help: 'Cost of judges, by the prices they were created with.',
      type: 'counter',
      read: () => totals.judged.cost,
    },
    {
      name: 'gavel_judgment_cache_lookups_total',
      help: 'Prompts looked up in the cache of judgments.',
      type: 'counter',
      read: () => [
        { labels: { result: 'hit' }, value: of.judgments.totals.hits },
        { labels: { result: 'miss' }, value: of.judgments.totals.misses },
      ],
    },
    {
      name: 'gavel_verified_items_total',
      help: 'Items compared with gold.',
      type: 'counter',
      read: () => totals.verified.items,
    },
    {
      name: 'gavel_jobs',
      help: 'Jobs by state.',
      read: async () => [...(await of.jobs.countByState())].map(([state, value]) => ({ labels: { state }, value })),
    },
  ]
}
