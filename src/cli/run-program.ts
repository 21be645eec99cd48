import { Command, CommanderError } from 'commander'
import { readFileSync } from 'node:fs'
import { ApiError } from '../client.ts'
import { GavelError } from '../core/errors.ts'
import { CliError, EXIT, type Io } from './io.ts'
import { visible } from './output.ts'

/** Adds commands to the program. */
export type Registration = (program: Command, io: Io) => void

const packageJson = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  description: string
  version: string
}

/**
 * Runs one command line. What goes wrong is one line on stderr: what it was, and what to do.
 * @param args the arguments after `gavel`
 * @returns the exit code, one of {@link EXIT}
 */
export async function runProgram(args: string[], registrations: readonly Registration[], io: Io): Promise<number> {
  const program = new Command('gavel')
    .description(packageJson.description)
    .version(packageJson.version)
    // An option belongs to the command that it follows, where one command is below another.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err, outputError: () => {} })
  for (const register of registrations) register(program, io)
  try {
    await program.parseAsync(args, { from: 'user' })
    return EXIT.ok
  } catch (error) {
    if (error instanceof CommanderError) return endOfParsing(error, program, args, io)
    const { message, exitCode } = asCliError(error)
    complain(io, message)
    return exitCode
  }
}

/** Help and version end the parsing too, and are no error. */
function endOfParsing(error: CommanderError, program: Command, args: string[], io: Io): number {
  if (error.exitCode === 0) return EXIT.ok
  // A command that needs another word has shown its help.
  if (error.code !== 'commander.help') {
    const message = error.message.replace(/^error: /, '').replace(/\.$/, '')
    complain(io, `${message}. \`${commandOf(program, args)} --help\` shows how.`)
  }
  return EXIT.usage
}

function asCliError(error: unknown): CliError {
  if (error instanceof CliError) return error
  if (error instanceof ApiError)
    return new CliError(error.message, error.status === null ? EXIT.unreachable : EXIT.failed)
  if (error instanceof GavelError) return new CliError(error.message)
  return new CliError(error instanceof Error ? error.message : String(error))
}

const complain = (io: Io, message: string) => io.err(`gavel: ${visible(message.replace(/\s*\n\s*/g, ' '))}\n`)

/** `gavel data upload`, of a command line that begins so. */
function commandOf(program: Command, args: readonly string[]): string {
  const names = [program.name()]
  let command: Command | undefined = program
  for (const arg of args) {
    command = command.commands.find((other) => other.name() === arg)
    if (!command) break
    names.push(arg)
  }
  return names.join(' ')
}
