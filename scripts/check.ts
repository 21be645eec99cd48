/**
 * `npm run check`: everything that should hold before a commit, in at most 90 seconds on two cores. All steps run even
 * when one fails, two at a time; the output of those that failed comes at the end.
 */
import { spawn } from 'node:child_process'

const STEPS = ['types', 'lint', 'format:check', 'openapi:check', 'test:unit']
const AT_ONCE = 2

/** Each test file is a process of its own: what they all import need not be read as TypeScript every time. */
const env = { NODE_COMPILE_CACHE: '.cache/node', ...process.env }

interface Outcome {
  step: string
  ok: boolean
  output: string
}

function run(step: string): Promise<Outcome> {
  const started = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn('npm', ['run', '--silent', '--if-present', step], { shell: process.platform === 'win32', env })
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (output += chunk))
    child.on('error', reject)
    child.on('close', (code) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1)
      console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${step.padEnd(14)} ${seconds.padStart(5)} s`)
      resolve({ step, ok: code === 0, output })
    })
  })
}

const waiting = [...STEPS]
const outcomes: Outcome[] = []
async function takeSteps(): Promise<void> {
  for (let step = waiting.shift(); step; step = waiting.shift()) outcomes.push(await run(step))
}
await Promise.all(Array.from({ length: AT_ONCE }, takeSteps))

const failed = outcomes.filter((outcome) => !outcome.ok)
for (const { step, output } of failed) console.error(`\n--- npm run ${step} ---\n${output.trimEnd()}`)
console.log(
  `\n${outcomes.length - failed.length} of ${outcomes.length} steps passed in ${(performance.now() / 1000) | 0} s`,
)
process.exitCode = failed.length === 0 ? 0 : 1
