/** Python that models wrote, in a real interpreter: what well-meaning programs get, and what hostile ones do not. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { ProgramOutcome } from '../../src/core/ports.ts'
import { verifierOf } from '../../src/core/verifiers/index.ts'
import { PythonSandbox } from '../../src/gpu-worker/sandbox/python-sandbox.ts'

const sandbox = new PythonSandbox({ processes: 1, timeoutMs: 5000, memoryMegabytes: 128 })
after(() => sandbox.close())
const runner = sandbox.runnerFor({ tenant: 'one' })

/** The body of `solution()`; lines of `above` stand before it. */
const run = (body: string, above = ''): Promise<ProgramOutcome> =>
  runner.call({
    source: `${above}\ndef solution():\n${body.replace(/^/gm, '  ')}\n`,
    entry: 'solution',
    args: [],
  })
const value = async (body: string, above = '') => {
  const result = await run(body, above)
  assert.equal(result.outcome, 'returned', JSON.stringify(result))
  return (result as Extract<ProgramOutcome, { outcome: 'returned' }>).text
}
const failure = async (body: string, above = '') => {
  const result = await run(body, above)
  assert.notEqual(result.outcome, 'returned', JSON.stringify(result))
  return (result as Extract<ProgramOutcome, { error: string }>).error
}
/** Undoes what the harness did to keep modules away. */
const UNBLOCK = 'import sys\nfor name in [n for n, m in sys.modules.items() if m is None]: del sys.modules[name]'

test('values come back as mathematics is written', async () => {
  const values: [string, string | null][] = [
    ['return 6 * 7', '42'],
    ['return 10 ** 30', '1000000000000000000000000000000'],
    ['return 1 / 4', '0.25'],
    ['from fractions import Fraction\nreturn Fraction(3, 6)', '1/2'],
    ['from decimal import Decimal\nreturn Decimal("1.50")', '1.50'],
    ['return {3, 1}', '{1, 3}'],
    ['return [1, (2, 3)]', '1, (2, 3)'],
    ['return complex(1, -2)', '1.0-2.0i'],
    ['return "7 apples"', '7 apples'],
    ['return True', 'True'],
    ['return None', null],
    ['return print', null],
    ['pass', null],
  ]
  for (const [body, text] of values) assert.equal(await value(body), text, body)
})

test('what a program prints is kept in part; what it reads is empty', async () => {
  const result = await run('for _ in range(5000): print("x" * 1000)\nreturn 5')
  assert.equal(result.outcome, 'returned')
  assert.equal((result as { output: string }).output.length, 65_536)
  assert.match(await failure('return input()'), /^EOFError/)
})

test('errors name what was raised and where', async () => {
  assert.equal(await failure('x = 0\nreturn 1 / x'), 'ZeroDivisionError: division by zero (line 4)')
  assert.match(await failure('return (', ''), /^SyntaxError: .*\(line 3\)$/)
  assert.match(await failure('return solution()'), /^RecursionError/)
  assert.match(await failure('raise SystemExit(3)'), /^SystemExit: 3/)
  const none = await runner.call({ source: 'x = 1', entry: 'solution', args: [] })
  assert.deepEqual(none, {
    outcome: 'raised',
    error: 'NameError: the program defines no function solution',
    output: '',
  })
})

test('no program sees what another did', async () => {
  const spoil =
    'import builtins, math, sys, fractions\nmath.sqrt = lambda x: 42\nbuiltins.sum = lambda x: 7\n' +
    'fractions.Fraction.__eq__ = lambda a, b: True\nsys.setrecursionlimit(50)\nsys.path.clear()'
  assert.equal(await value('return math.sqrt(9) + sum([1, 2])', spoil), '49')
  const check =
    'import math, fractions, sys, csv\n' +
    'return [math.sqrt(9), sum([1, 2]), int(fractions.Fraction(1, 2) == fractions.Fraction(1, 3)), sys.getrecursionlimit()]'
  assert.equal(await value(check), '3.0, 3, 0, 1000')
  assert.equal(
    await value('import random\nreturn random.random()'),
    await value('import random\nreturn random.random()'),
  )
})

test('a program that was done in time counts, though the answer is heard late', async () => {
  const hasty = new PythonSandbox({ processes: 1, timeoutMs: 500 })
  const { call: run } = hasty.runnerFor({ tenant: 'one' })
  const call = (body: string) => run({ source: `def solution(): return ${body}`, entry: 'solution', args: [] })
  await call('1')
  const answer = call('2')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)
  assert.equal((await answer).outcome, 'returned')
  hasty.close()
})

describe('what runs too long or grows too large is stopped, and the next program runs', () => {
  for (const [name, body, says] of [
    ['a loop', 'while True:\n  try:\n    while True: pass\n  except BaseException: pass', /longer than 5 s/],
    ['a long power', 'return 9 ** 9 ** 9', /longer than 5 s/],
    ['sleep', 'import time\ntime.sleep(60)', /longer than 5 s/],
    ['a memory bomb', 'x = []\nwhile True: x.append("a" * 10**6 + str(len(x)))', /^MemoryError/],
    [
      'endless recursion',
      'import sys\nsys.setrecursionlimit(10**9)\nreturn solution()',
      /brought the interpreter down|longer than 5 s/,
    ],
    ['deep nesting', 'x = []\nfor _ in range(10**6): x = [x]\nreturn str(x)', /RecursionError|interpreter down/],
    ['exit', 'import os\nos._exit(0)', /brought the interpreter down/],
    ['abort', 'import os\nos.abort()', /brought the interpreter down/],
  ] as const) {
    test(name, async () => {
      assert.match(await failure(body), says)
      assert.equal(await value('return 1'), '1')
    })
  }
})

test('a program that meddles with the report of its result breaks nothing but that', async () => {
  const reports = ['{bad', 'null', '[]', '{"outcome": "returned", "text": 5}', '{"outcome": "raised"}', '{"outcome": "stopped", "error": "lies"}'] // prettier-ignore
  const huge = '"x" * 10**7'
  for (const report of [...reports.map((text) => JSON.stringify(text)), huge, '42', 'None', 'print']) {
    const result = await run('return 1', `import json\njson.dumps = lambda *a, **k: ${report}`)
    assert.deepEqual(result, { outcome: 'stopped', error: 'broke what reports its result' }, report)
  }
  assert.equal(await value('return 1'), '1')
})

describe('nothing outside can be reached', () => {
  let address = ''
  let asked = 0
  const server = createServer((_, response) => (asked++, response.end('host')))
  server.on('connection', () => asked++)
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => server.close())

  test('no files of ours, no environment, no writing', async () => {
    assert.match(await failure('return open("/etc/passwd").read()'), /^FileNotFoundError/)
    assert.match(await failure(`return open(${JSON.stringify(import.meta.filename)}).read()`), /^FileNotFoundError/)
    assert.equal(await value('import os\nreturn str(dict(os.environ))'), '{}')
    for (const write of ['open("/tmp/x", "w")', 'os.mkdir("/tmp/x")', 'os.remove("/lib/python314.zip")'])
      assert.match(await failure(`import os\n${write}`), /Read-only file system/, write)
    assert.doesNotMatch((await value('import os\nreturn str(os.listdir("/"))'))!, /work|usr|root|etc/)
  })

  test('no processes or threads', async () => {
    await failure('import os\nreturn os.fork()')
    assert.equal(await value('import os\nreturn os.system("true")'), '-1')
    await failure('import subprocess\nreturn subprocess.check_output(["true"])')
    await failure('import threading\nt = threading.Thread(target=print)\nt.start()')
  })

  test('no network', async () => {
    const [host, port] = address.split(':')
    await failure(
      `import socket\ns = socket.create_connection(("${host}", ${port}), 1)\ns.send(b"x")\nreturn s.recv(1)`,
    )
    await failure(`import urllib.request\nreturn urllib.request.urlopen("http://${address}").read()`)
    await failure(`import http.client\nc = http.client.HTTPConnection("${address}")\nc.request("GET", "/")\nreturn 1`)
    assert.equal(asked, 0)
  })

  test('no JavaScript', async () => {
    for (const name of ['js', 'pyodide_js', 'pyodide', 'pyodide.ffi', '_pyodide_core', 'ctypes']) {
      assert.match(await failure(`import ${name}`), /^ModuleNotFoundError/)
    }
    for (const name of ['js', 'pyodide_js'])
      assert.match(await failure(`import ${name}`, UNBLOCK), /^ModuleNotFoundError/)
    assert.match(await failure('from pyodide.code import run_js\nreturn run_js("1")', UNBLOCK), /^ModuleNotFoundError/)
  })
})

test('a verdict on a program: by value, a hundredth apart, and why there is none', async () => {
  const verifier = verifierOf('program', runner)
  const verdict = (body: string, gold: string) =>
    verifier.verify({ text: `Here it is:\n\`\`\`python\ndef solution():\n  ${body}\n\`\`\``, gold })
  assert.deepEqual(await verdict('return 3 * 24', '72'), { correct: true, extracted: '72', reward: 1 })
  assert.deepEqual(await verdict('return 71.99', '72'), { correct: true, extracted: '71.99', reward: 1 })
  assert.deepEqual(await verdict('return 71.98', '72'), { correct: false, extracted: '71.98', reward: 0.1 })
  assert.deepEqual(await verdict('return [2, 1]', '\\{1, 2\\}'), { correct: true, extracted: '2, 1', reward: 1 })
  assert.deepEqual(await verdict('return 1 / 0', '72'), {
    correct: false,
    extracted: null,
    reward: 0,
    reason: 'The program raised ZeroDivisionError: division by zero (line 2).',
  })
})
