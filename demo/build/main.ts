/**
 * `npm run demo:build`: makes the demo's models again from nothing, in demo/build/out, and puts the three that
 * ship into demo/models. About an hour on 2 cores; every step is seeded.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const out = join(here, 'out')
const models = join(here, '..', 'models')

/** Each script, its arguments after the folder, and what it writes last; what is there is not made again. */
const STAGES = [
  ['teacher.ts', [], 'teacher-4800.safetensors'],
  ['weak-judge.ts', [], 'judge-weak/model.safetensors'],
  ['fooled-students.ts', ['judge-weak'], 'fooled-judge-weak-13/model-60.safetensors'],
  ['strong-judge.ts', ['judge-first'], 'judge-first-quality.json'],
  ['fooled-students.ts', ['judge-first'], 'fooled-judge-first-13/model-60.safetensors'],
  ['strong-judge.ts', ['judge'], 'judge-quality.json'],
] as const

for (const [script, args, last] of STAGES) {
  if (existsSync(join(out, last))) continue
  console.log(`== ${[script, ...args].join(' ')}`)
  execFileSync(process.execPath, [join(here, script), out, ...args], { stdio: 'inherit' })
}
for (const name of ['student', 'judge', 'judge-weak']) cpSync(join(out, name), join(models, name), { recursive: true })
