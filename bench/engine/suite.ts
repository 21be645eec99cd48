import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { median, type BenchRow, type BenchSuite } from '../row.ts'
import { measureLlamaCpp } from './llama-cpp.ts'
import { peerPython } from './peer-python.ts'
import { WORKLOADS, type Measurement, type Workload, type WorkloadName } from './workload.ts'

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Who does the work on the other side, by the name that a row shows. */
const PEERS = {
  PyTorch: (workload) => measure(peerPython(), script('./peer.py'), workload),
  TRL: (workload) => measure(peerPython(), script('./peer_trl.py'), workload),
  'llama.cpp': (workload) => measureLlamaCpp(workload, 'F32'),
  'llama.cpp Q8_0': (workload) => measureLlamaCpp(workload, 'Q8_0'),
} satisfies Record<string, (workload: Workload) => Promise<Measurement>>

interface RowOf {
  workload: WorkloadName
  peer: keyof typeof PEERS
  unit: string
  /** The row's figure from what one process measured. */
  figure: (measured: Measurement, workload: Workload) => number
  better: 'lower' | 'higher'
}

const secondsOf = (workload: WorkloadName, peer: RowOf['peer'] = 'PyTorch'): RowOf => ({
  workload,
  peer,
  unit: 's a step',
  figure: ({ seconds }) => seconds,
  better: 'lower',
})

const tokensOf = (workload: WorkloadName, peer: RowOf['peer'] = 'PyTorch'): RowOf => ({
  workload,
  peer,
  unit: 'tokens/s',
  figure: ({ seconds }, { rows, newTokens, lengths }) =>
    (lengths?.reduce((a, b) => a + b) ?? rows * newTokens) / seconds,
  better: 'higher',
})

/** Tokens of whole steps: the same whatever their number where cost grows linearly. */
const trainedOf = (workload: WorkloadName): RowOf => ({
  ...secondsOf(workload),
  unit: 'trained tokens/s',
  figure: ({ seconds }, { rows, tokens }) => (rows * tokens) / seconds,
  better: 'higher',
})

/** Every row, by name; rows of one workload and peer are read off the same processes. */
const ROWS: Record<string, RowOf> = {
  'train-small': secondsOf('train-small'),
  'train-135m': secondsOf('train-135m'),
  'memory-135m': {
    ...secondsOf('memory-135m'),
    unit: 'MB',
    figure: ({ megabytes }) => megabytes,
  },
  'lora-135m': secondsOf('lora-135m'),
  'linear-1k': trainedOf('linear-1k'),
  'linear-4k': trainedOf('linear-4k'),
  'linear-16k': trainedOf('linear-16k'),
  'generate-b8': tokensOf('generate-b8'),
  'generate-b32': tokensOf('generate-b32'),
  'generate-mixed': tokensOf('generate-mixed'),
  'llamacpp-b1': tokensOf('decode-b1', 'llama.cpp'),
  'llamacpp-b8': tokensOf('decode-b8', 'llama.cpp'),
  'llamacpp-b32': tokensOf('decode-b32', 'llama.cpp'),
  'llamacpp-q8-b1': tokensOf('decode-q8-b1', 'llama.cpp Q8_0'),
  'llamacpp-q8-b8': tokensOf('decode-q8-b8', 'llama.cpp Q8_0'),
  'llamacpp-q8-b32': tokensOf('decode-q8-b32', 'llama.cpp Q8_0'),
  'grpo-step': secondsOf('grpo-step', 'TRL'),
}

export const engineSuite: BenchSuite = { rows: Object.keys(ROWS), measure: measureRows }

/** Does the work on both sides by turns, each measurement in a fresh process. */
async function* measureRows(wanted: readonly string[], rounds: number): AsyncGenerator<BenchRow> {
  const together = Map.groupBy(wanted, (row) => `${ROWS[row]!.workload} ${ROWS[row]!.peer}`)
  for (const members of together.values()) {
    const { workload: name, peer: peerName } = ROWS[members[0]!]!
    const workload = WORKLOADS[name]
    const [ours, peer]: Measurement[][] = [[], []]
    for (let round = 0; round < rounds; round++) {
      ours!.push(await measure(process.execPath, script('./ours.ts'), workload))
      peer!.push(await PEERS[peerName](workload))
    }
    for (const row of members) yield compare(row, ours!, peer!, workload)
  }
}

async function measure(program: string, script: string, workload: Workload): Promise<Measurement> {
  const { stdout } = await promisify(execFile)(program, [script, JSON.stringify(workload)])
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Measurement
}

function compare(name: string, ours: Measurement[], peer: Measurement[], workload: Workload): BenchRow {
  const { unit, figure, better, peer: peerName } = ROWS[name]!
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
    peerName,
    oursAll,
    peerAll,
    ...(unit !== 'MB' && { oursRss: rss(ours), peerRss: rss(peer) }),
  }
}
