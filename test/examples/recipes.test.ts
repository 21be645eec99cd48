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
