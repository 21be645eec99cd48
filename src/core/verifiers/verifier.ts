import type { Verdict } from '../schemas/verify.ts'

/**
 * A deterministic check of what a model wrote against gold. `extract` and `checkGold` are pure and take time linear in
 * the length of their input, however hostile that is; `verify` takes a promise's time only where it runs a program.
 */
export interface Verifier {
  /** The answer that a text states, in canonical form; null when it states none. Needs no gold. */
  extract(text: string): string | null
  /** Whether two texts state the same answer, as votes are counted. False where one states none. */
  same(a: string, b: string): boolean
  /** @throws GavelError unprocessable (param `gold`) when nothing could ever be compared with this gold */
  checkGold(gold: string): void
  /**
   * @throws GavelError unprocessable (param `gold`) as {@link checkGold}: a bad gold is the dataset's error, not a 0;
   *   `unavailable_here` or `sandbox_unavailable` where a program cannot be run
   */
  verify(row: { text: string; gold: string }): Verdict | Promise<Verdict>
}

/** A verifier that runs nothing but code of ours. */
export interface PureVerifier extends Verifier {
  verify(row: { text: string; gold: string }): Verdict
}
