/** Programs a second in the sandbox of one process: short ones, no two alike, of two tenants at once. */
import { PythonSandbox } from '../../src/gpu-worker/sandbox/python-sandbox.ts'
import { median, type BenchRow } from '../row.ts'

const TENANTS = ['one', 'two']
/** Of each tenant, in a round. */
const PROGRAMS = 200
const LIMIT = 20

export const PROGRAM_ROWS = ['programs'] as const

/** @param rounds measured after one that is not */
export async function programRows(_: readonly string[], rounds: number): Promise<BenchRow[]> {
  const sandbox = new PythonSandbox({ processes: 2 })
  const runners = TENANTS.map((tenant) => sandbox.runnerFor({ tenant }))
  const round = async (of: number): Promise<number> => {
    const started = performance.now()
    const calls = runners.flatMap(({ call }) =>
      Array.from({ length: PROGRAMS }, async (_, i) => {
        const source = `import math\ndef solution():\n    return math.comb(${i + 10}, 5) + ${of}`
        const outcome = await call({ source, entry: 'solution', args: [] })
        if (outcome.outcome !== 'returned') throw new Error(`A program ${JSON.stringify(outcome)}.`)
      }),
    )
    await Promise.all(calls)
    return calls.length / ((performance.now() - started) / 1000)
  }
  const oursAll: number[] = []
  try {
    await round(0)
    for (let i = 1; i <= rounds; i++) oursAll.push(await round(i))
  } finally {
    sandbox.close()
  }
  const ours = median(oursAll)
  const peerAll = oursAll.map(() => LIMIT)
  return [{ name: 'programs', ours, peer: LIMIT, unit: 'programs/s', ratio: ours / LIMIT, peerName: 'the limit', oursAll, peerAll }] // prettier-ignore
}
