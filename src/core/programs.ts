/** A call of one function of a Python program. */
export interface ProgramCall {
  source: string
  entry: string
  /** JSON values. */
  args: readonly unknown[]
}

/** What became of a call. Only `returned` carries a value. */
export type ProgramOutcome =
  /** `text`: the value as mathematics is written, null where it is no answer (`None`); `number`: where it is a finite one. */
  | { outcome: 'returned'; text: string | null; number: number | null; output: string }
  /** The program is no Python, lacks the function, or raised. */
  | { outcome: 'raised'; error: string; output: string }
  /** It took too long, or brought the interpreter down. */
  | { outcome: 'stopped'; error: string }

/** Runs Python programs where they can do no harm, and each as if it were the first. */
export interface ProgramRunner {
  /** @throws GavelError `sandbox_unavailable` when no interpreter can be started; never for what a program does */
  call(program: ProgramCall): Promise<ProgramOutcome>
}
