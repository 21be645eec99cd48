/** The recipes in examples/ can be read by what they are for, and name what Gavel has. `npm run test:python` runs those in Python. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse as parseYaml } from 'yaml'
import { ROUTES } from '../../src/routes/app.ts'

const ROOT = join(import.meta.dirname, '../..')
const FOLDER = join(ROOT, 'examples')
const FILES = readdirSync(FOLDER, { withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [entry.name] : []))
const ending = (...endings: string[]) => FILES.filter((name) => endings.some((end) => name.endsWith(end)))
const read = (name: string) => readFileSync(join(FOLDER, name), 'utf8')
const run = (command: string, args: readonly string[]) => spawnSync(command, args, { cwd: FOLDER, encoding: 'utf8' })

describe('recipes', () => {
  test('every file is in the list, and every recipe that the documents name is here', () => {
    const list = read('README.md')
    for (const name of FILES) if (name !== 'README.md') assert.ok(list.includes(`\`${name}\``), name)
    const named = [...readFileSync(join(ROOT, 'docs/trainers.md'), 'utf8').matchAll(/`(?:examples\/)?(\w+\.(?:py|sh|yaml|toml))`/g)] // prettier-ignore
    assert.ok(named.length > 10)
    for (const [, name] of named) assert.ok(FILES.includes(name!), name)
  })

  test('what they call is there', () => {
    const prefixes = ROUTES.flatMap(({ path }) => /^(\/compat\/[\w-]+|\/v1\/[\w-]+)/.exec(path)?.[1] ?? [])
    const calls = ending('.py', '.sh', '.yaml', '.toml').flatMap(
      (name) =>
      [...read(name).matchAll(/\/compat\/[\w-]+|gavel\.example(\/v1\/\w+)/g)].map(([whole, path]) => [name, path ?? whole]), // prettier-ignore
    )
    assert.ok(calls.length > 12)
    for (const [name, path] of calls) assert.ok(prefixes.includes(path!), `${name}: ${path}`)
  })

  test('shell scripts and YAML are well formed', () => {
    for (const name of ending('.sh')) assert.equal(run('bash', ['-n', name]).stderr, '', name)
    for (const name of ending('.yaml')) assert.equal(typeof parseYaml(read(name)), 'object', name)
    for (const name of ending('.json')) assert.equal(typeof JSON.parse(read(name)), 'object', name)
  })

  test('what verl loads from where it is started does not hide verl', () => {
    assert.match(read('gavel_verl.py'), /custom_reward_function\.path=gavel_verl\.py/)
    assert.ok(!FILES.includes('verl.py'))
  })

  const python3 = run('python3', ['--version']).status === 0
  test(
    'trl.py sends columns of lists, and how completions ended; not what JSON cannot carry',
    { skip: !python3 && 'there is no Python here' },
    () => {
      const program = [
        'import asyncio, importlib.util, json, urllib.request, io, contextlib',
        'spec = importlib.util.spec_from_file_location("gavel_trl", "trl.py")',
        'module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)',
        'sent = []',
        'def answer(request, timeout):',
        '    sent.append(json.loads(request.data))',
        '    n = len(sent[-1]["prompts"])',
        '    return contextlib.closing(io.BytesIO(json.dumps({"results": [{"reward": 1, "p": None}] * n}).encode()))',
        'urllib.request.urlopen = answer',
        'reward = module.gavel_reward("http://x", "maths", key="k", answer="solution", eos_token_id=[2, 7])',
        'call = lambda **more: asyncio.run(reward(prompts=["a", "b"], completions=["c", "d"], **more))',
        'call(completion_ids=[[5, 7], [5, 6]], solution=[["1"], ["2", "3"]], meta=[{"a": [1]}, None], image=[object(), object()], trainer_state=object())',
        'asyncio.run(module.gavel_reward("http://x", "maths", key="k")(["a"], ["c"], completion_ids=[[1]], answer=[["1"]]))',
        'try:',
        '    call(completion_ids=[[2], []], solution=[{1}, {2}])',
        'except ValueError as error: sent.append(str(error))',
        'print(json.dumps(sent))',
      ]
      const { stdout, stderr } = run('python3', ['-B', '-c', program.join('\n')])
      assert.equal(stderr, '')
      const [full, bare, refused] = JSON.parse(stdout) as [Record<string, object>, Record<string, object>, string]
      assert.deepEqual(full.columns, { solution: [['1'], ['2', '3']], meta: [{ a: [1] }, null] })
      assert.deepEqual(full.finish_reasons, ['stop', 'length'])
      assert.deepEqual([bare.columns, bare.finish_reasons], [{ answer: [['1']] }, undefined])
      assert.match(refused, /the column 'solution' of gold answers cannot be sent/)
    },
  )

  const python = run('python3', ['-c', 'import tomllib']).status === 0
  test('Python and TOML are well formed', { skip: !python && 'there is no Python 3.11 here' }, () => {
    const program = [
      'import ast, sys, tomllib',
      'for name in sys.argv[1:]:',
      '    text = open(name, encoding="utf-8").read()',
      '    tomllib.loads(text) if name.endswith(".toml") else ast.parse(text, name)',
    ]
    const { status, stderr } = run('python3', ['-c', program.join('\n'), ...ending('.py', '.toml')])
    assert.equal(status, 0, stderr)
  })
})
