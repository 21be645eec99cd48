import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { after, before, test } from 'node:test'
import { API_COMMANDS } from '../../src/cli/api-commands.ts'
import type { Hardened } from '../../src/cli/harden-judge.ts'
import { runProgram } from '../../src/cli/run-program.ts'
import { problems, toJsonl } from '../../demo/problems.ts'
import { JUDGE } from '../../demo/recipe.ts'
import { goldText } from '../../demo/solutions.ts'
import { CHEATS } from '../../src/core/schemas/judge-jobs.ts'
import { startService, type Service } from './service.ts'

/** The demo's models, a real server, a real worker; a step or two of everything. */
const demoModel = (name: string) => fileURLToPath(new URL(`../../demo/models/${name}`, import.meta.url))
const LESSONS = ['--steps', '2', '--batch-size', '8', '--max-tokens', '256', '--learning-rate', '1e-4', '--seed', '3']

let service: Service

before(async () => {
  service = await startService()
  service.startWorker()
  for (const name of ['student', 'judge-weak']) {
    await service.api.models.create({ name, source: { type: 'local', path: demoModel(name) } })
  }
  const prompts = problems({ seed: 1, count: 12, heldout: false })
  await service.api.datasets.create(toJsonl(prompts, true), { name: 'prompts' })
  const others = problems({ seed: 2, count: 10, heldout: true }).map((problem) =>
    JSON.stringify({ prompt: problem.question, answer: String(problem.answer), completion: goldText(problem) }),
  )
  await service.api.datasets.create(others.join('\n'), { name: 'others' })
})
after(() => service.close())

async function gavel(...args: string[]) {
  let [out, err] = ['', '']
  const code = await runProgram(args, API_COMMANDS, {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    env: { GAVEL_URL: service.url, GAVEL_API_KEY: 'gvl_key-of-the-operator' },
    interrupted: () => new AbortController().signal,
  })
  return { code, out, err }
}

test('a judge is taught on graded answers, and measured and audited before and after', async () => {
  const graded = problems({ seed: 4, count: 20, heldout: false }).flatMap((problem) => [
    { question: problem.question, answer: goldText(problem), correct: true },
    {
      question: problem.question,
      model_solution: goldText(problem).replace(/\d+$/, String(problem.answer + 1)),
      is_correct: false,
    },
  ])
  const file = join(service.folder, 'graded.jsonl')
  writeFileSync(file, graded.map((row) => JSON.stringify(row)).join('\n'))
  const asks = join(service.folder, 'asks.json')
  writeFileSync(asks, JSON.stringify(JUDGE))
  const flags = ['--model', 'judge-weak', '--name', 'taught', '--file', asks, '--test', file, '--audit', 'others']
  const { code, out, err } = await gavel('judge', 'train', file, ...flags, ...LESSONS, '--json')
  assert.equal(code, 0, err)
  const { judge, before, after } = JSON.parse(out)
  assert.deepEqual([judge.name, judge.version, judge.template], ['taught', 2, JUDGE.template])
  assert.ok(judge.calibration)
  for (const { figures, audit } of [before, after]) {
    assert.ok(figures.auc.low <= figures.auc.value && figures.auc.value <= figures.auc.high)
    assert.equal(typeof audit.passed, 'boolean')
  }
  assert.notDeepEqual(before.figures, after.figures, 'the lessons changed the judge')
})

test('a judge is hardened round by round, the same way each time', async () => {
  const grpo = join(service.folder, 'grpo.json')
  const sizes = { prompts_per_step: 3, group_size: 2, max_prompt_tokens: 96, max_new_tokens: 44 }
  writeFileSync(grpo, JSON.stringify({ ...sizes, steps: 2, learning_rate: 1e-4 }))
  const harden = async (name: string) => {
    await service.api.judges.create({ name, provider: { type: 'local', model: 'judge-weak' }, ...JUDGE })
    const where = ['--student', 'student', '--prompts', 'prompts', '--held-out', 'others', '--grpo', grpo]
    const flags = [...where, '--prompt-template', '{prompt}\n', '--rounds', '2']
    const { code, out, err } = await gavel('judge', 'harden', name, ...flags, ...LESSONS, '--json')
    assert.equal(code, 0, err)
    return JSON.parse(out) as Hardened
  }
  const hardened = await harden('one')
  assert.equal(hardened.before.n, 10)
  assert.equal(hardened.rounds.length, 2)
  assert.notEqual(hardened.rounds[0]!.judge, hardened.rounds[1]!.judge)
  const ease = ({ fooled, worst_cheat }: Hardened['rounds'][number]) => Math.max(fooled!, worst_cheat!.rate)
  const [first, second] = hardened.rounds.map(ease)
  const { id, provider } = await service.api.judges.get('one')
  assert.equal(id, hardened.best, 'the best is the newest of its name')
  const winner = await service.api.judges.get(hardened.rounds[second! < first! ? 1 : 0]!.judge)
  assert.deepEqual(provider, winner.provider)
  for (const { fooled, worst_cheat, on_the_way } of hardened.rounds) {
    assert.ok((CHEATS as readonly string[]).includes(worst_cheat!.attack))
    assert.equal(on_the_way.n, 24, 'two looks at twelve prompts')
    assert.ok(fooled !== null && fooled >= 0 && fooled <= 1)
  }
  const figures = ({ before, rounds }: Hardened) => [before, rounds.map(({ judge: _, ...rest }) => rest)]
  assert.deepEqual(figures(await harden('two')), figures(hardened))
})

test('answers of one kind, and a row without a verdict, are refused before anything is made', async () => {
  const file = join(service.folder, 'bad.jsonl')
  const train = () => gavel('judge', 'train', file, '--model', 'judge-weak', '--name', 'bad', ...LESSONS)
  writeFileSync(file, '{"question": "q", "answer": "a", "correct": true}\n')
  assert.match((await train()).err, /must hold right and wrong answers/)
  writeFileSync(file, '{"question": "q", "answer": "a"}\n')
  assert.match((await train()).err, /line 1 lacks `correct` \(or `is_correct`\)/)
  assert.equal((await gavel('judge', 'show', 'bad')).code, 1)
})
