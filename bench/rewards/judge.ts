/** Our local judge beside transformers: answers to the same questions, one by one and in the best of its batched ways. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { peerPython } from '../engine/peer-python.ts'
import { median, type BenchRow } from '../row.ts'
import { JUDGE_WORKLOAD, type JudgeSeconds } from './judge-workload.ts'

const OURS = fileURLToPath(new URL('./judge-ours.ts', import.meta.url))
const PEER = fileURLToPath(new URL('./judge_peer.py', import.meta.url))

/** The peer's seconds that count, of the ways it was tried. */
const PEERS = {
  'judge-one-by-one': ({ one_by_one }: JudgeSeconds) => one_by_one!,
  'judge-batched': ({ batched, shared }: JudgeSeconds) => Math.min(batched!, shared!),
}

export const JUDGE_ROWS = Object.keys(PEERS) as (keyof typeof PEERS)[]

/** Rows read off the same processes, which take turns. */
export async function judgeRows(wanted: readonly (keyof typeof PEERS)[], rounds: number): Promise<BenchRow[]> {
  const python = peerPython()
  const answers = JUDGE_WORKLOAD.questions * JUDGE_WORKLOAD.answerTokens.length
  const run = async (program: string, script: string) => {
    const { stdout } = await promisify(execFile)(program, [script, JSON.stringify(JUDGE_WORKLOAD)])
    return JSON.parse(stdout.trim().split('\n').at(-1)!) as JudgeSeconds
  }
  const [ours, peer]: JudgeSeconds[][] = [[], []]
  for (let round = 0; round < rounds; round++) {
    ours!.push(await run(process.execPath, OURS))
    peer!.push(await run(python, PEER))
  }
  return wanted.map((name) => {
    const oursAll = ours!.map(({ shared }) => answers / shared!)
    const peerAll = peer!.map((seconds) => answers / PEERS[name](seconds))
    const [a, b] = [median(oursAll), median(peerAll)]
    return { name, ours: a, peer: b, unit: 'answers/s', ratio: a / b, peerName: 'transformers', oursAll, peerAll }
  })
}
