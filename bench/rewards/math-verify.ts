/** Our mathematics verifier beside PyPI `math-verify`: answers checked in a second of one core's time. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { peerPython } from '../engine/peer-python.ts'
import { median, type BenchRow } from '../row.ts'

const OURS = fileURLToPath(new URL('./math-verify-ours.ts', import.meta.url))
const PEER = fileURLToPath(new URL('./math-verify-peer.py', import.meta.url))
/** Rows `{text, gold}`; another file is named by the environment. */
const CASES =
  process.env.GAVEL_BENCH_MATH_CASES ??
  fileURLToPath(new URL('../../test/fixtures/verifier/math-cases.jsonl', import.meta.url))

/** What a fresh process prints: rows checked, and the processor time of all its threads that took. */
interface Measured {
  rows: number
  seconds: number
}

export async function mathVerify(rounds: number): Promise<BenchRow> {
  const python = peerPython()
  const perSecond = async (program: string, script: string) => {
    const { stdout } = await promisify(execFile)(program, [script, CASES])
    const { rows, seconds } = JSON.parse(stdout.trim().split('\n').at(-1)!) as Measured
    return rows / seconds
  }
  const oursAll: number[] = []
  const peerAll: number[] = []
  for (let round = 0; round < rounds; round++) {
    oursAll.push(await perSecond(process.execPath, OURS))
    peerAll.push(await perSecond(python, PEER))
  }
  const [ours, peer] = [median(oursAll), median(peerAll)]
  const ratio = ours / peer
  return { name: 'math-verify', ours, peer, unit: 'answers a core-second', ratio, peerName: 'PyPI', oursAll, peerAll }
}
