/** How a command ends. Scripts rely on these numbers; docs/cli.md lists them. */
export const EXIT = {
  ok: 0,
  /** What was asked for failed: the API refused it, a job failed, a file did not verify. */
  failed: 1,
  /** The command itself was wrong: an unknown option, a missing key, a file that is not there. */
  usage: 2,
  /** No API answers where one should. */
  unreachable: 3,
  /** Ctrl-C while following a job, which goes on (128 + SIGINT, as shells have it). */
  detached: 130,
} as const

/** Ends the command with one line on stderr, which says what was wrong and what to do. */
export class CliError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message)
    this.name = 'CliError'
    this.exitCode = exitCode
  }
}

/** What a command has of its process. */
export interface Io {
  out(text: string): void
  err(text: string): void
  env: Record<string, string | undefined>
  /** Aborted by Ctrl-C, which from then on no longer ends the process at once. */
  interrupted(): AbortSignal
}
