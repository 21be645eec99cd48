/** `npm run bench -- [SUITE] [--only ROW,…] [--rounds N] [--json FILE]`: our figures beside those of what people use now. */
import { writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { apiSuite } from './api/suite.ts'
import { engineSuite } from './engine/suite.ts'
import { rewardsSuite } from './rewards/suite.ts'
import type { BenchRow, BenchSuite } from './row.ts'

const SUITES: Record<string, BenchSuite> = { engine: engineSuite, rewards: rewardsSuite, api: apiSuite }

function suiteName(name: string): string {
  if (name in SUITES) return name
  throw new InvalidArgumentError(`Known are ${Object.keys(SUITES).join(', ')}.`)
}

function wholeNumber(text: string): number {
  const n = Number(text)
  if (Number.isInteger(n) && n >= 1) return n
  throw new InvalidArgumentError('A whole number of at least 1 is wanted.')
}

const command = new Command('bench')
  .argument('[suite]', `what to measure: ${Object.keys(SUITES).join(', ')}; everything when left out`, suiteName)
  .option('--only <rows>', 'only these rows, separated by commas', (text: string) => text.split(','))
  .option('--rounds <n>', 'how often each side is measured; the median counts', wholeNumber, 3)
  .option('--json <file>', 'write the rows there')
  .parse()

const { only, rounds, json } = command.opts<{ only?: string[]; rounds: number; json?: string }>()
const [chosen] = command.processedArgs as [string | undefined]
const suites = chosen ? [SUITES[chosen]!] : Object.values(SUITES)
const known = suites.flatMap(({ rows }) => rows)
const unknown = only?.find((name) => !known.includes(name))
if (unknown) command.error(`error: there is no row '${unknown}'. Known are ${known.join(', ')}.`)

console.log(`${cpus()[0]!.model}, ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(2)} before the start\n`)
const found: BenchRow[] = []
for (const { rows, measure } of suites) {
  const wanted = rows.filter((name) => only?.includes(name) ?? true)
  for await (const row of measure(wanted, rounds)) {
    found.push(row)
    const [ours, peer, ratio] = [row.ours, row.peer, row.ratio].map((x) => x.toPrecision(4))
    console.log(`${row.name.padEnd(16)} ${ours} ${row.unit}, ${row.peerName} ${peer}: ${ratio}×`)
    if (json) writeFileSync(json, `${JSON.stringify(found, null, 2)}\n`)
  }
}
