import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { candidates } from '../../scripts/mutants/candidates.ts'
import type { MeasuredTest } from '../../scripts/mutants/measure-tests.ts'
import { apply, mutantsOf, sample } from '../../scripts/mutants/mutants.ts'
import { nearestTests } from '../../scripts/mutants/nearest-tests.ts'
import { readEquivalents, report, shareCaught, type Result } from '../../scripts/mutants/report.ts'
import { ROOT } from '../../scripts/mutants/tree.ts'

/** A source and all that it may become. */
const TABLE: [source: string, mutants: string[]][] = [
  ['a + b', ['a - b']],
  ['a - b', ['a + b']],
  ['a * b', ['a / b']],
  ['a / b', ['a * b']],
  ['a ** b', ['a * b']],
  ['a % b', ['a * b']],
  ['a += b', ['a -= b']],
  ['a -= b', ['a += b']],
  ['a < b', ['a <= b', 'a >= b']],
  ['a <= b', ['a < b', 'a > b']],
  ['a > b', ['a >= b', 'a <= b']],
  ['a >= b', ['a > b', 'a < b']],
  ['a === b', ['a !== b']],
  ['a !== b', ['a === b']],
  ['a && b', ['a || b']],
  ['a || b', ['a && b']],
  ['a ?? b', ['b']],
  ['a ??= b', ['a = b']],
  ['!a', ['a']],
  ['-a', ['a']],
  ['[0, 7, 0.5, 1_000]', ['[1, 7, 0.5, 1_000]', '[0, 8, 0.5, 1_000]', '[0, 7, 1.5, 1_000]', '[0, 7, 0.5, 1001]']],
  // One more is the same number there.
  [
    '[1e30, 9007199254740992, 1e3]',
    ['[2e+30, 9007199254740992, 1e3]', '[1e30, 18014398509481984, 1e3]', '[1e30, 9007199254740992, 1001]'],
  ],
  ['f(true, false)', ['f(false, false)', 'f(true, true)', 'void 0']],
  ['if (a) b = c', ['if (false) b = c', 'if (true) b = c']],
  ['while (a) b = c', ['while (false) b = c']],
  ['for (; a; ) b = c', ['for (; false; ) b = c']],
  ['x = a ? b : c', ['x = false ? b : c', 'x = true ? b : c']],
  ['x = Math.min(a)', ['x = Math.max(a)']],
  ['x = Math.max(a)', ['x = Math.min(a)']],
  ['x = a.every(f)', ['x = a.some(f)']],
  ['x = a.some(f)', ['x = a.every(f)']],
  ['x = a.filter(f)', ['x = a']],
  ['x = a.slice(b).sort()', ['x = a.sort()', 'x = a.slice(b)']],
  ['x = a.toReversed()', ['x = a']],
  ['x = { ...a, b }', ['x = { ...{}, b }']],
  ['await f()', ['void 0']],
  ["throw new GavelError('internal', m)", ["throw new GavelError('conflict', m)"]],
  ["throw new GavelError('conflict', m)", ["throw new GavelError('not_found', m)"]],
]

test('each operator, and nothing else', () => {
  for (const [source, mutants] of TABLE) {
    const made = candidates(source).map((change) => apply(source, change))
    assert.deepEqual(made.toSorted(), mutants.toSorted(), source)
  }
})

test('types, imports, prose, logging and joined texts are left alone', () => {
  const untouched = [
    'type A = 1 | true',
    'interface A { a: 0 | 1; b?: -1 }',
    'const a = <T extends 1>(b: T, c: true): 2 | T => b as 2',
    "import a from './a.ts'",
    "export { a } from './a.ts'",
    "x = route({ summary: 'a' + 1, description: b + 1, example: { a: 1, b: true } })",
    "x = v.pipe(a, v.description('at most ' + 3))",
    'x = import.meta.url',
    'console.log(1)',
    'deps.logError(new Error(a[0]))',
    "x = 'a' + b + `c`",
    'x = { 1: a }',
    'class A extends B { constructor() { super() } }',
  ]
  for (const source of untouched) assert.deepEqual(candidates(source), [], source)
})

const SOURCE = `
export function f(a: number): number {
  if (a < 0 && a !== -1) return 0
  const b = a + 1

  return b > 3 ? b * 2 : b - 1
}
`

test('one mutant a line, chosen by the seed and by what the line says', () => {
  const made = mutantsOf('src/a.ts', SOURCE, 1)
  assert.deepEqual(made.map(({ line }) => line), [3, 4, 6]) // prettier-ignore
  assert.deepEqual(mutantsOf('src/a.ts', SOURCE, 1), made)
  const shifted = mutantsOf('src/a.ts', `// One line more.\n${SOURCE}`, 1)
  const says = ({ original, mutated }: { original: string; mutated: string }) => `${original} → ${mutated}`
  assert.deepEqual(shifted.map(says), made.map(says))
  assert.deepEqual(shifted.map(({ line }) => line), [4, 5, 7]) // prettier-ignore
  const seeds = Array.from({ length: 40 }, (_, seed) => mutantsOf('src/a.ts', SOURCE, seed).map(says))
  assert.ok(new Set(seeds.map(([first]) => first)).size > 5)
  assert.ok(seeds.every((each) => each.length === 3))
  const [, second] = made
  assert.ok(says(second!).startsWith('const b = a + 1 → const b = '))
  assert.ok(apply(SOURCE, second!).includes(`  ${second!.mutated}\n`))
})

test('a change of several lines is told by all of them; one that does not parse is not made', () => {
  const [call] = mutantsOf('src/a.ts', 'if_(\n  a,\n  b,\n)\n', 1)
  assert.deepEqual([call!.line, call!.original, call!.mutated], [1, 'if_( a, b, )', 'void 0'])
  // Of the two, a--b is no expression.
  const made = Array.from({ length: 20 }, (_, seed) => mutantsOf('src/a.ts', 'x = a+-b', seed)[0]!.mutated)
  assert.deepEqual(new Set(made), new Set(['x = a+b']))
})

test('a sample is seeded, spread over the folders, and leaves none out', () => {
  const many = (folder: string, lines: number) =>
    mutantsOf(`${folder}/a.ts`, Array.from({ length: lines }, (_, i) => `x${i} = a + b\n`).join(''), 1)
  const all = [...many('src/a', 90), ...many('src/b', 9), ...many('src/c', 1)]
  const some = sample(all, 10, 1)
  assert.deepEqual(sample(all, 10, 1), some)
  assert.notDeepEqual(sample(all, 10, 2), some)
  const counts = ['src/a', 'src/b', 'src/c'].map((folder) => some.filter(({ file }) => file.startsWith(folder)).length)
  assert.deepEqual(counts, [9, 1, 1])
  assert.deepEqual(sample(all, 1000, 1), all)
})

test('the nearest tests: at the mirror path, then beside it, then the quickest; none that does not run the place', () => {
  const measured = (test: string, seconds: number, bounds: number[], outcome: 'passed' | 'late' = 'passed') =>
    ({ test, seconds, outcome, files: {}, runs: { 'src/a/b.ts': bounds } }) satisfies MeasuredTest
  const tests = [
    measured('test/c/quick.test.ts', 1, [0, 100]),
    measured('test/c/slow.test.ts', 2, [0, 100]),
    measured('test/c/elsewhere.test.ts', 1, [0, 50, 55, 100]),
    measured('test/c/top-level-only.test.ts', 0.9, [0, 10, 50, 60]),
    measured('test/c/late.test.ts', 1, [0, 100], 'late'),
    measured('test/a/other.test.ts', 9, [0, 100]),
    measured('test/a/b.test.ts', 10, [40, 60]),
    { ...measured('test/c/none.test.ts', 1, []), runs: {} },
  ]
  const lines = (file: string) => ({ file, from: 50, to: 55 })
  const names = nearestTests(tests, lines('src/a/b.ts'), 9).map(({ test }) => test)
  assert.deepEqual(names, [
    'test/a/b.test.ts',
    'test/a/other.test.ts',
    'test/c/quick.test.ts',
    'test/c/slow.test.ts',
    'test/c/top-level-only.test.ts',
  ])
  assert.equal(nearestTests(tests, lines('src/a/b.ts'), 2).length, 2)
  assert.deepEqual(nearestTests(tests, lines('src/other.ts'), 9), [])
})

test('the report counts by folder, leaves the equivalent out of the share, and names what survived', () => {
  const [mutant] = mutantsOf('src/a/b.ts', 'x = a + b', 1)
  const result = (outcome: Result['outcome'], file = 'src/a/b.ts'): Result =>
    ({ ...mutant!, file, outcome, tests: ['test/a/b.test.ts'] }) // prettier-ignore
  const results = [result('caught'), result('late'), result('equivalent'), result('survived', 'src/c/d.ts')]
  assert.equal(shareCaught(results), 2 / 3)
  const lines = report(results).split('\n')
  assert.match(lines[1]!, /^src\/a +3 +2 +1 +1 +0 +100\.0 %$/)
  assert.match(lines[2]!, /^src\/c +1 +0 +0 +0 +1 +0\.0 %$/)
  assert.match(lines[3]!, /^all +4 +2 +1 +1 +1 +66\.7 %$/)
  assert.equal(lines.at(-1), 'src/c/d.ts:1  x = a + b → x = a - b  (tests that ran: test/a/b.test.ts)')
  assert.equal(shareCaught([]), 1)
})

test('what is listed as equivalent is a line that there still is, listed once', () => {
  const known = readEquivalents()
  for (const { file, original, mutated } of known) {
    const text = readFileSync(join(ROOT, file), 'utf8').replace(/\s+/g, ' ')
    assert.ok(text.includes(original), `${file} no longer says: ${original}`)
    const same = known.filter((other) => other.file === file && other.original === original && other.mutated === mutated) // prettier-ignore
    assert.equal(same.length, 1, `${file}: ${mutated}`)
  }
})
