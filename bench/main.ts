/** `npm run bench -- [SUITE] [--only ROW,…] [--rounds N] [--json FILE]`: our figures beside those of what people use now. */
import { writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { engineRows } from './engine/suite.ts'
import type { BenchOptions, BenchRow } from './row.ts'

/** What can be measured, by name; each answers its rows one after the other. */
const SUITES = { engine: engineRows } satisfies Record<string, (options: BenchOptions) => AsyncIterable<BenchRow>>

type SuiteName = keyof typeof SUITES

function suiteName(name: string): SuiteName {
  if (name in SUITES) return name as SuiteName
  throw new InvalidArgumentError(`known are ${Object.keys(SUITES).join(', ')}`)
}

function rounds(text: string): number {
  const n = Number(text)
  if (Number.isInteger(n) && n >= 1) return n
  throw new InvalidArgumentError('a whole number of at least 1 is wanted')
}

const command = new Command('bench')
  .argument('[suite]', `what to measure: ${Object.keys(SUITES).join(', ')}; everything when left out`, suiteName)
  .option('--only <rows>', 'only these rows, separated by commas', (text: string) => text.split(','))
  .option('--rounds <n>', 'how often each side is measured; the median counts', rounds, 3)
  .option('--json <file>', 'write the rows there')
  .parse()

const { only, rounds: count, json } = command.opts<{ only?: string[]; rounds: number; json?: string }>()
console.log(`${cpus()[0]!.model}, ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(2)} before the start\n`)

const rows: BenchRow[] = []
const chosen = command.processedArgs[0] as SuiteName | undefined
for (const suite of chosen ? [chosen] : (Object.keys(SUITES) as SuiteName[])) {
  for await (const row of SUITES[suite]({ only, rounds: count })) {
    rows.push(row)
    const [ours, peer, ratio] = [row.ours, row.peer, row.ratio].map((x) => x.toPrecision(4))
    console.log(`${row.name.padEnd(14)} ${ours} ${row.unit}, ${row.peerName} ${peer}: ${ratio}×`)
    if (json) writeFileSync(json, `${JSON.stringify(rows, null, 2)}\n`)
  }
}
