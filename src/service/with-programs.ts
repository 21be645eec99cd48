import type { ProgramHost, ProgramRunner } from '../core/ports.ts'

/**
 * Does what needs programs for one request: those that still wait or run when it is over, or when its client leaves, are
 * ended. The runner is null where nothing runs programs.
 */
export async function withPrograms<T>(
  programs: ProgramHost | null,
  tenant: string,
  left: AbortSignal,
  work: (programs: ProgramRunner | null) => Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const signal = AbortSignal.any([left, over.signal])
  try {
    return await work(programs?.runnerFor({ tenant, signal }) ?? null)
  } finally {
    over.abort()
  }
}
