/** Every attack that we know by name, once: programs, models, data, addresses, other tenants. They are tests of their own. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Report } from './report.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const ATTACKS = {
  'programs against each other': 'test/e2e/program-isolation.test.ts',
  'programs against their sandbox': 'test/e2e/python-sandbox.test.ts',
  'tenants on every route, with every scope': 'test/routes/every-route.test.ts',
  'what is the operator’s own': 'test/e2e/operators-own.test.ts',
  'ways out of a job’s process': 'test/gpu-worker/jobs/seal-network.test.ts',
  'models and rows without end': 'test/e2e/stalled-jobs.test.ts',
  'broken and hostile models': 'test/gpu-worker/models/bad-files.slow.test.ts',
  'private addresses': 'test/adapters/node/guarded-fetch.test.ts',
  'addresses in judges': 'test/service/public-url.test.ts',
  'the heaviest requests, one by one': 'test/routes/hostile-load.slow.test.ts',
} satisfies Record<string, string>

export async function attacks({ say }: { say(line: string): void }): Promise<Report> {
  const figures = { attacks: 0, tests: 0 }
  const violations: string[] = []
  for (const [name, file] of Object.entries(ATTACKS)) {
    const { code, output } = await run(file)
    const passed = Number(/^ℹ pass (\d+)/m.exec(output)?.[1] ?? 0)
    figures.attacks++
    figures.tests += passed
    if (code !== 0 || passed === 0) violations.push(`${name} (${file}):\n${output.slice(-4_000)}`)
    say(`attacks: ${name}: ${passed} tests held`)
  }
  return { scenario: 'attacks', figures, violations }
}

function run(file: string): Promise<{ code: number | null; output: string }> {
  const args = ['--test', '--test-timeout=900000', '--test-reporter=spec', file]
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, GAVEL_TEST_HOSTILE: 'all' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (output += chunk))
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })))
}
