import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const REQUIREMENTS = join(ROOT, 'bench/requirements.txt')
const VENV = join(ROOT, '.cache/bench-venv')

/**
 * A Python that has the peers: the one that `GAVEL_BENCH_PYTHON` names, else that of `.cache/bench-venv`, which is
 * made when first asked for, and brought up to date when the requirements change.
 */
export function peerPython(): string {
  const given = process.env.GAVEL_BENCH_PYTHON
  if (given) return given
  const python = join(VENV, 'bin/python')
  const complete = join(VENV, 'complete')
  const requirements = readFileSync(REQUIREMENTS, 'utf8')
  if (!existsSync(complete) || readFileSync(complete, 'utf8') !== requirements) {
    console.log(`Installing ${REQUIREMENTS} into ${VENV}, once …`)
    execFileSync('python3', ['-m', 'venv', VENV], { stdio: 'inherit' })
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--requirement', REQUIREMENTS], { stdio: 'inherit' })
    writeFileSync(complete, requirements)
  }
  return python
}
