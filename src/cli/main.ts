import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { registerDev } from './dev.ts'
import { registerWorker } from './worker.ts'

const packageJson = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  description: string
  version: string
}

const program = new Command('gavel').description(packageJson.description).version(packageJson.version)
registerDev(program)
registerWorker(program)

await program.parseAsync()
