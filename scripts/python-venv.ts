import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/**
 * A Python that has what a requirements file lists: the one that the environment names in `variable`, else that of
 * `.cache/NAME-venv`, which is made when first asked for, and brought up to date when the requirements change.
 */
export function pythonWith(requirementsFile: string, name: string, variable: string): string {
  const given = process.env[variable]
  if (given) return given
  const venv = join(ROOT, '.cache', `${name}-venv`)
  const python = join(venv, 'bin/python')
  const complete = join(venv, 'complete')
  const requirements = readFileSync(join(ROOT, requirementsFile), 'utf8')
  if (!existsSync(complete) || readFileSync(complete, 'utf8') !== requirements) {
    console.log(`Installing ${requirementsFile} into ${venv}, once …`)
    execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' })
    const install = ['-m', 'pip', 'install', '--quiet', '--requirement', join(ROOT, requirementsFile)]
    execFileSync(python, install, { stdio: 'inherit' })
    writeFileSync(complete, requirements)
  }
  return python
}
