import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { SCORES_FILE, type AnsweredRow } from '../../src/core/schemas/eval.ts'
import { writeRows } from '../../src/gpu-worker/algorithms/evaluate.ts'
import { commitCheckpoint } from '../../src/gpu-worker/jobs/commit-checkpoint.ts'
import { startCliServer } from './cli-server.ts'

const server = await startCliServer()
after(() => server.close())

interface Evaluation {
  dataset?: string
  flags?: string[]
  /** Whether each row is solved; null where there is no verdict on it. */
  solved: (boolean | null)[]
  by?: 'verifier' | 'judge'
}

/** An evaluation as a worker leaves it: its rows committed, its result told. Answers the job's id. */
async function evaluation({ dataset = 'held-out', flags = [], solved, by = 'verifier' }: Evaluation): Promise<string> {
  const verifier = by === 'verifier' ? ['--verifier', 'math'] : []
  const ran = server.gavel(['eval', '--model', 'student', '--dataset', dataset, ...verifier, ...flags, '--json'])
  const leased = await server.worker.lease('test', 5, new AbortController().signal)
  if (!leased) assert.fail((await ran).err)
  const folder = join(server.folder, leased.id)
  mkdirSync(folder)
  writeRows(
    folder,
    solved.flatMap((right, i): AnsweredRow[] => {
      const judged = by === 'judge'
      const judgment = { outcome: 'scored' as const, probability: right ? 0.9 : 0.2, label_mass: 1, reason: null }
      const answer = { text: 'x', finish_reason: 'stop' as const, reward: null, extracted: null, value: -1 }
      const known = { correct: judged ? null : right, judgment: judged ? judgment : null }
      return right === null ? [] : [{ line: i + 1, prompt: 'p', gold: null, answers: [{ ...answer, ...known }] }]
    }),
  )
  await commitCheckpoint(server.worker, leased, { step: solved.length, state: {}, folder })
  await server.worker.job(leased).complete({ rows: solved.length, correct: 0, n: 0, accuracy: null, low: 0, high: 1 })
  assert.equal((await ran).code, 0)
  return leased.id
}

const T = true
const F = false
/** 3 by both, 7 only by the first, 1 only by the second, 1 by neither. */
const FIRST = [T, T, T, T, T, T, T, T, T, T, F, F]
const SECOND = [T, T, T, F, F, F, F, F, F, F, T, F]
let first: string
let second: string

before(async () => {
  await server.api.models.create({ name: 'student', source: { type: 'hub', repo: 'someone/tiny' } })
  const rows = Array.from({ length: 12 }, (_, i) => ({ prompt: `problem ${i}`, answer: String(i) }))
  for (const name of ['held-out', 'other'])
    await server.api.datasets.create(rows.map((row) => JSON.stringify(row)).join('\n'), { name })
  first = await evaluation({ solved: FIRST })
  second = await evaluation({ solved: SECOND })
})

test('compares two evaluations row by row, with the exact test', async () => {
  const { code, out } = await server.gavel(['eval', 'compare', first, second, '--json'])
  assert.equal(code, 0)
  const { low, high, ...comparison } = JSON.parse(out) as Record<string, unknown>
  assert.deepEqual(comparison, {
    object: 'eval.comparison',
    a: first,
    b: second,
    by: 'verifier',
    n: 12,
    left_out: 0,
    both: 3,
    only_a: 7,
    only_b: 1,
    neither: 1,
    accuracy_a: 10 / 12,
    accuracy_b: 4 / 12,
    difference: -6 / 12,
    // 2 · (1 + 8) / 2⁸
    p_value: 18 / 256,
  })
  // (−6 ± 1.96·√(9 − 36/14)) / 14
  assert.deepEqual([(low as number).toFixed(4), (high as number).toFixed(4)], ['-0.7835', '-0.0736'])
  const text = (await server.gavel(['eval', 'compare', first, second])).out
  assert.equal(
    text,
    `before  ${first}  83.3 %  10 of 12 solved, 7 of them by it alone
after   ${second}  33.3 %  4 of 12 solved, 1 of them by it alone
after − before: −50.0 points (worse), 95 % interval −78.4 to −7.4; exact McNemar p = 0.0703
`,
  )
  const better = (await server.gavel(['eval', 'compare', second, first])).out
  assert.match(better, /^after − before: \+50\.0 points \(better\), 95 % interval \+7\.4 to \+78\.4;/m)
  const same = (await server.gavel(['eval', 'compare', first, first])).out
  assert.match(same, /^after − before: \+0\.0 points \(the same\)/m)
})

test('pairs the rows that both have, by the judge where one has no verdicts', async () => {
  const short = await evaluation({ solved: [T, null, F, T], by: 'judge', flags: ['--judge', await judge()] })
  const long = await evaluation({ solved: [F, T, F, T, T], by: 'judge', flags: ['--judge', await judge()] })
  const { by, n, left_out, only_a, only_b, both, neither } = await server.api.jobs.compare(short, long)
  assert.deepEqual(
    { by, n, left_out, only_a, only_b, both, neither },
    { by: 'judge', n: 3, left_out: 2, only_a: 1, only_b: 0, both: 1, neither: 1 },
  )
})

test('refuses what cannot be paired, saying why', async () => {
  const refused = async (a: string, b: string, message: RegExp) => {
    const { code, err } = await server.gavel(['eval', 'compare', a, b])
    assert.equal(code, 1)
    assert.match(err, message)
  }
  await refused(first, await evaluation({ solved: FIRST, dataset: 'other' }), /compare evaluations of one dataset/)
  await refused(first, 'job_none', /There is no job job_none/)
  const several = await evaluation({ solved: FIRST, flags: ['--group-size', '4', '--temperature', '1'] })
  await refused(several, first, /drew 4 answers to each row; compare evaluations with one/)
  const exact = await evaluation({ solved: FIRST, flags: ['--verifier', 'exact'] })
  await refused(first, exact, /verified by 'math' and job_\w+ by 'exact'/)
  await refused(first, await evaluation({ solved: FIRST, by: 'judge', flags: ['--judge', await judge()] }), /no row on which both/) // prettier-ignore
  const spec = { type: 'eval', model: 'student', dataset: 'other', verifier: 'math', config: {} } as const
  const { id } = await server.api.jobs.create(spec)
  await refused(first, id, new RegExp(`${id} is queued; wait until it has succeeded`))
  await server.api.jobs.cancel(id)
  for await (const { id } of server.api.jobs.checkpoints(second)) await server.api.checkpoints.delete(id)
  await refused(first, second, new RegExp(`the rows of ${second} \\(${SCORES_FILE} of its checkpoint\\) are gone`))
})

test('an evaluation needs a verifier or a judge', async () => {
  const { code, err } = await server.gavel(['eval', '--model', 'student', '--dataset', 'held-out'])
  assert.equal(code, 1)
  assert.match(err, /give a verifier to compare with the rows’ answers, a judge, or both/)
})

async function judge(): Promise<string> {
  const provider = { type: 'openai', base_url: 'http://127.0.0.1:9/v1', model: 'm' } as const
  return (await server.api.judges.create({ name: 'maths', provider })).id
}
