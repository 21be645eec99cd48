import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { all } from '../../src/client.ts'
import type { LeasedJob } from '../../src/core/schemas/worker.ts'
import { startProviderServer } from '../adapters/judges/provider-server.ts'
import { startCliServer } from './cli-server.ts'

const server = await startCliServer()
const { file, ok, json, fails } = server
const provider = await startProviderServer()
after(async () => {
  await server.close()
  await provider.close()
})

/** Plays the worker: takes the next job, and completes it with what the function makes of it. */
async function complete(result: (job: LeasedJob) => object): Promise<LeasedJob> {
  const leased = await server.worker.lease('test', 20, new AbortController().signal)
  assert.ok(leased)
  await server.worker.job(leased).complete(result(leased) as Record<string, unknown>)
  return leased
}

test('judge: debiased, priced, made of others', async () => {
  const at = `--provider openai --base-url ${provider.url}/v1 --model m`
  const first = await json(
    `judge create ${at} --name d1 --debias wording order --price-input 1 --price-output 2 --budget-cost 3`,
  )
  assert.deepEqual(
    [first.debias, first.price, first.budget],
    [['wording', 'order'], { input: 1, output: 2 }, { cost: 3 }],
  )
  await ok(`judge create ${at} --name d2 --template rubric --rubric polite`)
  const both = await json('judge create --name both --provider ensemble --judges d1 d2 --combine mean_minus_sd --k 0.5')
  assert.deepEqual([both.provider.judges.length, both.provider.k], [2, 0.5])
  assert.match(await ok('judge list'), /both +1 +ensemble +2 judges/)
  const reference = `judge create ${at} --name ref --template answer-correctness-with-reference`
  await ok(reference)
  assert.match(await ok('judge score --judge ref --reference 4 --question q --answer p=0.25'), /^0\.2500 /)
  const { code, out } = await server.gavel(['judge', 'score', '--judge', 'ref', '--question', 'q', '--answer', 'a'])
  assert.deepEqual([code, /failed: this judge's template shows a reference/.test(out)], [1, true])
})

test('judge cache and judge budget: what is kept, what was spent, and how much may be', async () => {
  const at = `--provider openai --base-url ${provider.url}/v1 --model m`
  const { id } = await json(`judge create ${at} --name spending --price-input 1000 --price-output 0 --budget-tokens 50`)
  assert.equal(await ok('judge cache spending'), `${id} has 0 judgments kept; 0 of 0 lookups found one\n`)
  for (let i = 0; i < 2; i++) await ok('judge score --judge spending --question q --answer p=0.25')
  assert.equal(await ok('judge cache spending'), `${id} has 1 judgments kept; 1 of 2 lookups found one (50.0 %)\n`)
  assert.deepEqual(await json('judge cache spending'), {
    object: 'judge.cache',
    judge: id,
    entries: 1,
    hits: 1,
    misses: 1,
  })
  assert.match(await ok('judge cache spending --clear'), /has 0 judgments kept; 1 of 2 lookups/)
  const { tokens, cost } = (await json('judge show spending')).spent
  assert.equal(
    await ok('judge budget spending --tokens 900 --cost 2.5'),
    `${id} has spent ${tokens} of 900 tokens, $${cost} of $2.5\n`,
  )
  assert.deepEqual((await json('judge budget spending --cost 3')).budget, { cost: 3 })
  assert.equal(await ok('judge budget spending --none'), `${id} has no budget\n`)
  for (const wrong of ['', ' --none --tokens 5'])
    assert.match(await fails(2, `judge budget spending${wrong}`), /or else --none/)
  assert.match(await fails(1, 'judge budget d2 --cost 1'), /budget/)
  assert.match(await fails(1, 'judge budget nobody --tokens 5'), /nobody/)
})

test('judge calibrate: a file of graded answers becomes a dataset, and the figures are printed', async () => {
  const rows = [
    { question: 'q', answer: 'a', correct: true },
    { question: 'q', model_solution: 'b', is_correct: false },
  ]
  const graded = file('graded.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'))
  await ok(`judge create --provider openai --base-url ${provider.url}/v1 --model m --name to-calibrate`)
  const measured = { value: 0.8, low: 0.75, high: 0.85 }
  const report = { auc: measured, accuracy: measured, ece: null, brier: measured, reliability: [] }
  const played = complete(() => ({
    ...{ rows: 2, scored: 2, abstained: 0, failed: 0, questions: 1, correct: 1 },
    map: { method: 'platt', a: 1, b: 0 },
    before: report,
    after: report,
    methods: { platt: report, isotonic: report },
  }))
  const args = 'judge calibrate --judge to-calibrate --method platt'.split(' ')
  const { code, out, err } = await server.gavel([...args, graded])
  assert.equal(code, 0, err)
  const { spec } = await played
  assert.ok(spec.type === 'judge.calibrate' && spec.method === 'platt')
  assert.match(out, /^judge_\w+ is calibrated \(platt\) on 2 answers to 1 questions; held out:\n/)
  assert.match(out, /auc +0\.8 \(0\.75 to 0\.85\) +0\.8 \(0\.75 to 0\.85\)/)
  assert.deepEqual(
    (await all(server.api.datasets.rows(spec.dataset))).map(({ row }) => row),
    [
      { prompt: 'q', completion: 'a', correct: true },
      { prompt: 'q', completion: 'b', correct: false },
    ],
  )
  assert.match(await ok('judge list'), /to-calibrate +2 .* platt /)
  assert.match(await fails(2, 'judge calibrate --judge to-calibrate --dataset x', graded), /either a file/)
})

test('judge calibrate: a coin has nothing to calibrate, which is said, with exit code 1', async () => {
  await ok(`judge create --provider openai --base-url ${provider.url}/v1 --model m --name coin`)
  const graded = file(
    'coin.jsonl',
    '{"question":"q","answer":"a","correct":true}\n{"question":"q","answer":"b","correct":false}',
  )
  const printedFor = async (auc: object) => {
    const report = { auc, accuracy: null, ece: null, brier: null, reliability: [] }
    const played = complete(() => ({
      ...{ informative: false, rows: 400, scored: 400, abstained: 0, failed: 0, questions: 300, correct: 200 },
      map: { method: 'platt', a: 0, b: 0 },
      before: report,
      after: report,
      methods: { platt: report, isotonic: report },
    }))
    const { code, out, err } = await server.gavel(['judge', 'calibrate', '--judge', 'coin', graded])
    assert.equal(code, 1, err)
    await played
    assert.match(err, /There was nothing to calibrate\.\n$/)
    assert.doesNotMatch(out, /is calibrated/)
    return out
  }
  const coin = await printedFor({ value: 0.52, low: 0.48, high: 0.57 })
  assert.match(
    coin,
    /^nothing to calibrate: an AUC of 0\.52 \(0\.48 to 0\.57\) on 400 answers .* More graded answers narrow/,
  )
  assert.match(await printedFor({ value: 0.2, low: 0.1, high: 0.3 }), /worse than a coin: are its labels the wrong way/)
})

test('judge audit: a table of attacks, and exit code 1 for a judge that does not pass', async () => {
  await ok(`judge create --provider openai --base-url ${provider.url}/v1 --model m --name to-audit`)
  const labelled = file('audit.jsonl', '{"prompt":"1+1?","answer":"2"}\n{"prompt":"1+2?","answer":"3"}')
  const { id } = await json('data upload', labelled)
  const accepted = { n: 20, accepted: 18, rate: 0.9, low: 0.7, high: 0.97, abstained: 1, failed: 0 }
  const played = complete(() => ({
    passed: false,
    limit: 0.1,
    threshold: 0.5,
    failures: ['master_key'],
    attacks: [{ attack: 'master_key', ...accepted }],
    right: accepted,
  }))
  const { code, out, err } = await server.gavel(['judge', 'audit', '--judge', 'to-audit', '--dataset', id])
  await played
  assert.equal(code, 1)
  assert.match(out, /master_key +18 of 20 +90\.0 % +70\.0 % to 97\.0 % +1 +0\n/)
  assert.match(out, /did not pass, by master_key/)
  assert.match(err, /gavel: The judge did not pass\.\n$/)
  assert.match(await ok('judge list'), /to-audit .* failed /)
})
