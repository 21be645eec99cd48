/** What one program does, another never meets; what one tenant runs keeps no other waiting for long. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, describe, test } from 'node:test'
import { GavelError } from '../../src/core/errors.ts'
import type { ProgramOutcome } from '../../src/core/ports.ts'
import { PythonSandbox } from '../../src/gpu-worker/sandbox/python-sandbox.ts'

const sandbox = new PythonSandbox({ processes: 2, timeoutMs: 60_000, mostWaiting: { request: 50, tenant: 70 } })
after(() => sandbox.close())
const [hostile, other] = ['hostile', 'other'].map((tenant) => sandbox.runnerFor({ tenant }))
const LOOP = 'def solution():\n  while True: pass\n'
const called = (source: string) => ({ source, entry: 'solution', args: [] })

/** Another tenant's grader: what it reads of its sample, and a view of the interpreter that shows what is not as it was. */
const GRADER = `
import json, math, random, sys, builtins, gc, os
def grade(sample, item):
    seen = [json.loads(json.dumps(sample)) == sample, math.sqrt(9), sum([1, 2]), random.random(), len(gc.get_objects()),
            sorted(vars(builtins)), sorted(sys.modules), sys.getrecursionlimit(), os.listdir('/tmp'), os.getcwd(), id(sample)]
    print(seen)
    return 1.0 if sample['output_text'] == item['gold'] else 0.0
`
const graded = async () =>
  other!.call({ source: GRADER, entry: 'grade', args: [{ output_text: 'wrong' }, { gold: 'right' }] })

/** Finds every object there is, starting from what Python itself lists. */
const EVERYTHING = `
import gc, sys, builtins
for name in [n for n, m in sys.modules.items() if m is None]: del sys.modules[name]
def everything():
    found, todo = {}, [*gc.get_objects(), builtins, sys]
    while todo and len(found) < 200_000:
        one = todo.pop()
        if id(one) in found: continue
        found[id(one)] = one
        try: todo.extend(gc.get_referents(one))
        except BaseException: pass
    return list(found.values())
def lie(*a, **k): return '{"outcome": "returned", "text": "forged", "number": 1.0, "output": ""}'
`
const POISONS: Record<string, string> = {
  'json replaced': 'import json\njson.dumps = json.loads = lie\nfor f in (json.decoder, json.encoder): vars(f).update({k: lie for k in vars(f) if k[0] != "_"})',
  'every module emptied': 'for m in list(sys.modules.values()):\n  try: vars(m).update({k: lie for k in list(vars(m)) if k[0] != "_"})\n  except BaseException: pass',
  'every dictionary': 'for d in everything():\n  if type(d) is dict and d is not globals():\n    try:\n      for k in list(d): d[k] = lie\n    except BaseException: pass',
  'every class': 'for c in everything():\n  if isinstance(c, type):\n    for k in ("__eq__", "__call__", "__init__", "__getattribute__"):\n      try: setattr(c, k, lie)\n      except BaseException: pass',
  'every function': 'for f in everything():\n  if hasattr(f, "__code__"):\n    try: f.__code__ = lie.__code__\n    except BaseException: pass',
  'collected': 'for o in everything():\n  try: o.clear()\n  except BaseException: pass\ngc.collect()',
  'state left': 'import os, random, decimal\nrandom.seed(5); decimal.getcontext().prec = 1; sys.setrecursionlimit(99); os.chdir("/lib"); files = [open("/lib/" + f, "rb") for f in os.listdir("/lib") if "." in f and f.endswith("zip")]; sys.keep = files',
} // prettier-ignore

/** What can be done with a value of JavaScript, which is each of its own, one a program: a call may end the interpreter. */
const TOUCHES = [
  'dir(p)',
  'str(p)',
  'p.set = p',
  'p.constructor',
  'p["a"] = 1',
  'p()',
  'p.HEAPU8.set = p.FS.isFile',
  'p.new()',
  'list(p)',
  'p.to_py()',
  'del p.set',
  'p == p',
  'p.js_id',
  'type(p).__setattr__(p, "x", 1)',
]

describe('nothing that a program does is there for another', () => {
  let clean: ProgramOutcome
  test('a grader as the first there is', async () => {
    clean = await graded()
    assert.equal(clean.outcome, 'returned', JSON.stringify(clean))
    assert.equal((clean as { number: number }).number, 0)
  })

  for (const [name, poison] of Object.entries(POISONS)) {
    test(name, async () => {
      await hostile!.call(called(`${EVERYTHING}\n${poison}\ndef solution(): return 1`))
      assert.deepEqual(await graded(), clean)
    })
  }

  test('every object of JavaScript that Python finds is a husk', async () => {
    const count = `${EVERYTHING}\ndef solution(): return len([o for o in everything() if "JsProxy" in type(o).__name__])`
    const counted = await hostile!.call(called(count))
    const proxies = (counted as { number: number }).number
    assert.ok(proxies > 0, 'this looks for them in the wrong place')
    for (const touch of TOUCHES) {
      const source =
        `${EVERYTHING}\nsaid = []\nfor p in everything():\n  if "JsProxy" in type(p).__name__ and not isinstance(p, type):\n` +
        `    try:\n      value = ${/[^=]=[^=]/.test(touch) || touch.startsWith('del') ? `exec(${JSON.stringify(touch)})` : touch}\n` +
        `      said.append(value)\n    except BaseException: pass\ndef solution(): return 1`
      const outcome = await hostile!.call(called(source))
      assert.ok(['returned', 'stopped', 'raised'].includes(outcome.outcome), touch)
      assert.deepEqual(await graded(), clean, touch)
    }
  })

  test('the bridge back to JavaScript leads nowhere', async () => {
    const climbs = [
      'import _pyodide_core\ndef solution(): return str(_pyodide_core.create_proxy(print))',
      'import _pyodide_core\nfor f in [v for v in vars(_pyodide_core).values() if callable(v)]:\n  try: f(print)\n  except BaseException: pass\ndef solution(): return 1',
      'import js\ndef solution(): return str(js.globalThis)',
      'import pyodide_js\ndef solution(): return str(pyodide_js)',
      'import ctypes\ndef solution(): return ctypes.pythonapi',
    ]
    for (const climb of climbs) {
      const outcome = await hostile!.call(called(`${EVERYTHING}\n${climb}`))
      assert.ok(outcome.outcome !== 'returned' || outcome.text === '1', JSON.stringify(outcome))
      assert.deepEqual(await graded(), clean, climb)
    }
  })
})

/** Processes of sandboxes that this one started. */
function sandboxes(): number[] {
  const children = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' })
  const found = children.split('\n').filter((line) => line.includes('sandbox-process'))
  return found.map((line) => Number(line.trim().split(' ')[0]))
}

describe('tenants', () => {
  test('a tenant that loops keeps no other waiting', async () => {
    const left = new AbortController()
    const looping = sandbox.runnerFor({ tenant: 'hostile', signal: left.signal })
    const loops = Array.from({ length: 20 }, (_, i) => looping.call(called(`${LOOP}# ${i}`)))
    let over = 0
    const ends = Promise.allSettled(loops.map((loop) => loop.finally(() => over++)))
    await other!.call(called('def solution(): return 1'))
    for (let i = 0; i < 5; i++) await other!.call(called(`def solution(): return ${i} + 1`))
    assert.equal(over, 0)
    left.abort(new Error('left'))
    for (const end of await ends) assert.equal(end.status, 'rejected')
  })

  test('a client that leaves takes what waits and what runs with it, and nobody else', async () => {
    const left = new AbortController()
    const leaving = sandbox.runnerFor({ tenant: 'hostile', signal: left.signal })
    const shared = called(`import time\ndef solution():\n  time.sleep(1)\n  return 'shared'`)
    const [mine, also] = [leaving.call(shared), hostile!.call(shared)]
    const loop = leaving.call(called(LOOP))
    const ends = Promise.allSettled([mine, loop])
    left.abort(new Error('left'))
    for (const end of await ends) assert.equal(end.status === 'rejected' && (end.reason as Error).message, 'left')
    assert.equal(((await also) as { text: string }).text, 'shared')
    const started = performance.now()
    assert.equal((await hostile!.call(called('def solution(): return 2'))).outcome, 'returned')
    assert.ok(performance.now() - started < 50_000, 'the loop was not ended')
    await assert.rejects(leaving.call(called(LOOP)), /left/)
  })

  test('equal calls of one tenant at the same time are one; those of two are two', async () => {
    // Each interpreter starts alike, and time passes.
    const now = called('import time\ndef solution():\n  time.sleep(0.3)\n  return str(time.time())')
    const outcomes = await Promise.all([hostile!, hostile!, other!].map((runner) => runner.call(now)))
    const [a, b, c] = outcomes.map((outcome) => (outcome as { text: string }).text)
    assert.equal(a, b)
    assert.notEqual(a, c)
  })

  test('more programs than may wait are refused, by request and by tenant', async () => {
    const left = new AbortController()
    const asker = { tenant: 'many', signal: left.signal }
    const flood = (of: string, n: number) => {
      const runner = sandbox.runnerFor(asker)
      return Array.from({ length: n }, (_, i) => runner.call(called(`${LOOP}# ${of} ${i}`)))
    }
    const all = [...flood('a', 60), ...flood('b', 40)]
    const ends = Promise.allSettled(all)
    setTimeout(() => left.abort(new Error('left')), 500)
    const refused = (await ends).flatMap((end) => (end.status === 'rejected' ? [end.reason as Error] : []))
    const said = refused.filter((reason) => reason instanceof GavelError && reason.code === 'rate_limited')
    assert.ok(said.some(({ message }) => /This request has more programs to run than may wait \(50\)/.test(message)))
    assert.ok(said.some(({ message }) => /Your requests have as many programs waiting as may \(70\)/.test(message)))
    assert.ok(said.length >= 28 && said.length <= 30, `${said.length} were refused`)
  })

  test(
    'a process that is killed costs the program that it ran, and no other',
    { skip: process.platform !== 'linux' },
    async () => {
      const one = new PythonSandbox({ processes: 1, timeoutMs: 60_000 })
      const { call } = one.runnerFor({ tenant: 'one' })
      const others = new Set(sandboxes())
      await call(called('def solution(): return 0'))
      const [pid] = sandboxes().filter((found) => !others.has(found))
      const loop = call(called(`${LOOP}# to be killed`))
      const waiting = call(called('def solution(): return "waited"'))
      await new Promise((resolve) => setTimeout(resolve, 500))
      process.kill(pid!, 'SIGKILL')
      assert.deepEqual(await loop, { outcome: 'stopped', error: 'brought the interpreter down' })
      assert.equal(((await waiting) as { text: string }).text, 'waited')
      one.close()
    },
  )
})
