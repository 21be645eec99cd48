import { readFileSync } from 'node:fs'
import { Command } from 'commander'

const packageJson = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  description: string
  version: string
}

const program = new Command('gavel').description(packageJson.description).version(packageJson.version)

await program.parseAsync()
