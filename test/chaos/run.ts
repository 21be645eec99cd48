/**
 * `npm run chaos -- [options]`: tries to break an installation of real processes, for minutes or hours, and says what did
 * not hold. The same seed draws the same blows; when they land is the machine's affair.
 */
import { writeFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { attacks } from './attacks.ts'
import { clocks } from './clocks.ts'
import { fullDisk } from './disk.ts'
import { hostile } from './hostile.ts'
import type { Layout } from './installation.ts'
import { ALL_LAYOUTS, kills } from './kills.ts'
import { undisturbed, type Expected } from './leftovers.ts'
import { lostAnswers, storeFaults } from './losses.ts'
import type { Report } from './report.ts'
import { soak } from './soak.ts'

interface Options {
  seed: number
  only: Scenario[]
  kills: number
  requests: number
  minutes: number
  layouts: Layout[]
  atOnce: number
  json?: string
}

/** Share of requests that something happens to. */
const SHARE = 0.15
const say = (line: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`)
let known: Promise<Expected> | undefined
const expected = () => (known ??= undisturbed())

const SCENARIOS = {
  kills: async ({ seed, kills: count, layouts, atOnce }) =>
    kills({ seed, kills: count, layouts, atOnce, expected: await expected(), say }),
  'lost-answers': async ({ seed }) => lostAnswers({ seed, share: SHARE, expected: await expected(), say }),
  'store-faults': async ({ seed }) => storeFaults({ seed, share: SHARE, expected: await expected(), say }),
  'full-disk': async ({ seed }) => fullDisk({ seed, expected: await expected(), say }),
  clocks: async ({ seed }) => clocks({ seed, expected: await expected(), say }),
  attacks: () => attacks({ say }),
  hostile: ({ seed, requests }) => hostile({ seed, requests }),
  soak: ({ minutes }) => soak({ minutes, say }),
} satisfies Record<string, (options: Options) => Promise<Report>>
type Scenario = keyof typeof SCENARIOS

const number = (text: string) => Number.parseInt(text, 10)
const listOf = (known: readonly string[]) => (text: string) => {
  const names = text.split(',')
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new Error(`there is no '${unknown}'; known are ${known.join(', ')}`)
  return names
}

const command = new Command('chaos')
  .addOption(new Option('--only <scenarios>', 'some of them, with commas').argParser(listOf(Object.keys(SCENARIOS))))
  .option('--seed <n>', 'what is drawn', number, 1)
  .option('--kills <n>', 'how many processes are killed', number, 1000)
  .option('--requests <n>', 'how many hostile requests are sent', number, 10_000)
  .option('--minutes <n>', 'how long the soak takes', number, 60)
  .addOption(new Option('--layouts <names>', 'of installations').argParser(listOf(ALL_LAYOUTS)).default(ALL_LAYOUTS))
  .option('--at-once <n>', 'installations at once', number, 3)
  .option('--json <file>', 'write what was found there')
  .parse()
const options = command.opts<Options>()

const reports: (Report & { seconds: number })[] = []
for (const name of options.only ?? (Object.keys(SCENARIOS) as Scenario[])) {
  const started = performance.now()
  const report = await SCENARIOS[name](options)
  const seconds = Math.round((performance.now() - started) / 1000)
  reports.push({ ...report, seconds })
  const figures = Object.entries(report.figures).map(([what, value]) => `${value} ${what}`)
  console.log(`${name}: ${figures.join(', ')}; ${report.violations.length} violations, ${seconds} s`)
  for (const violation of report.violations) console.log(`  ${violation}`)
  if (options.json) writeFileSync(options.json, `${JSON.stringify({ seed: options.seed, reports }, null, 2)}\n`)
}
process.exitCode = reports.some(({ violations }) => violations.length > 0) ? 1 : 0
