import { InvalidArgumentError, type Command } from 'commander'
import { createClient, type Client } from '../client.ts'
import { CliError, EXIT, type Io } from './io.ts'

/** Where `gavel dev` listens. */
const DEFAULT_URL = 'http://127.0.0.1:8787'

export interface ApiOptions {
  url?: string
  apiKey?: string
  json?: boolean
}

/** A command that talks to the API. */
export const apiCommand = (parent: Command, nameAndArguments: string, description: string): Command =>
  parent
    .command(nameAndArguments)
    .description(description)
    .option('--url <url>', `the API (GAVEL_URL, else ${DEFAULT_URL})`)
    .option('--api-key <key>', 'a key of the API (GAVEL_API_KEY)')
    .option('--json', 'print JSON')

/** An {@link apiCommand} that lists, newest first. */
export const listCommand = (parent: Command, nameAndArguments: string, description: string): Command =>
  apiCommand(parent, nameAndArguments, description).option('--limit <n>', 'how many at most', wholeNumber, 20)

/** A client by the options and the environment. */
export function connect(io: Io, options: ApiOptions): Client {
  const url = options.url ?? (io.env.GAVEL_URL || DEFAULT_URL)
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new CliError(`The URL of the API, ${url}, is none. Give one such as ${DEFAULT_URL}.`, EXIT.usage)
  }
  const key = options.apiKey ?? io.env.GAVEL_API_KEY
  if (!key || !/^[\u0021-\u007e]+$/.test(key)) {
    const what = key ? 'The API key has characters that no key has' : 'There is no API key'
    throw new CliError(`${what}. Set GAVEL_API_KEY or give --api-key; \`gavel dev\` prints one.`, EXIT.usage)
  }
  return createClient({ url, key })
}

/** Reads the value of an option. @throws InvalidArgumentError unless it is a whole number ≥ 1 */
export function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number from 1.')
}

/** Reads the value of an option. @throws InvalidArgumentError unless it is a finite number */
export function decimal(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value)) return value
  throw new InvalidArgumentError('It must be a number.')
}
