import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { median, type BenchRow, type BenchSuite } from '../row.ts'
import { peerPython } from './peer-python.ts'
import { WORKLOADS, type Measurement, type Workload, type WorkloadName } from './workload.ts'

const OURS = fileURLToPath(new URL('./ours.ts', import.meta.url))
const PEER = fileURLToPath(new URL('./peer.py', import.meta.url))

interface RowOf {
  workload: WorkloadName
  unit: string
  /** The row's figure from what one process measured. */
  figure: (measured: Measurement, workload: Workload) => number
  better: 'lower' | 'higher'
}

const secondsOf = (workload: WorkloadName): RowOf => ({
  workload,
  unit: 's a step',
  figure: ({ seconds }) => seconds,
  better: 'lower',
})

const tokensOf = (workload: WorkloadName): RowOf => ({
  workload,
  unit: 'tokens/s',
  figure: ({ seconds }, { rows, newTokens }) => (rows * newTokens) / seconds,
  better: 'higher',
})

/** Every row, by name; rows of one workload are read off the same processes. */
const ROWS: Record<string, RowOf> = {
  'train-small': secondsOf('train-small'),
  'generate-b8': tokensOf('generate-b8'),
  'generate-b32': tokensOf('generate-b32'),
  'train-135m': secondsOf('train-135m'),
  'memory-135m': { workload: 'train-135m', unit: 'MB', figure: ({ megabytes }) => megabytes, better: 'lower' },
}

export const engineSuite: BenchSuite = { rows: Object.keys(ROWS), measure: measureRows }

/** Trains and samples on both sides by turns, each measurement in a fresh process. */
async function* measureRows(wanted: readonly string[], rounds: number): AsyncGenerator<BenchRow> {
  const python = peerPython()
  for (const name of Object.keys(WORKLOADS) as WorkloadName[]) {
    const members = wanted.filter((row) => ROWS[row]!.workload === name)
    if (members.length === 0) continue
    const workload = WORKLOADS[name]
    const [ours, peer]: Measurement[][] = [[], []]
    for (let round = 0; round < rounds; round++) {
      ours!.push(await measure(process.execPath, OURS, workload))
      peer!.push(await measure(python, PEER, workload))
    }
    for (const row of members) yield compare(row, ours!, peer!, workload)
  }
}

async function measure(program: string, script: string, workload: Workload): Promise<Measurement> {
  const { stdout } = await promisify(execFile)(program, [script, JSON.stringify(workload)])
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Measurement
}

function compare(name: string, ours: Measurement[], peer: Measurement[], workload: Workload): BenchRow {
  const { unit, figure, better } = ROWS[name]!
  const [oursAll, peerAll] = [ours, peer].map((all) => all.map((measured) => figure(measured, workload))) as [
    number[],
    number[],
  ]
  const [a, b] = [median(oursAll), median(peerAll)]
  const rss = (all: Measurement[]) => median(all.map(({ megabytes }) => megabytes))
  return {
    name,
    ours: a,
    peer: b,
    unit,
    ratio: better === 'higher' ? a / b : b / a,
    peerName: 'PyTorch',
    oursAll,
    peerAll,
    ...(unit !== 'MB' && { oursRss: rss(ours), peerRss: rss(peer) }),
  }
}
