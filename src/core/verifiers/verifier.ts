import type { Verdict } from '../schemas/verify.ts'

/** What a text states, read once, to be compared as often as it takes. */
export interface Stated {
  /** In canonical form. */
  answer: string
  /** The verifier's own. */
  value?: unknown
}

/**
 * A deterministic check of what a model wrote against gold. `read` and `checkGold` are pure and take time linear in
 * the length of their input, however hostile that is; `verify` takes a promise's time only where it runs a program.
 */
export interface Verifier {
  /** The answer that a text states; null when it states none. Needs no gold. */
  read(text: string): Stated | null
  /** Whether two answers that {@link read} gave are the same, as votes are counted. */
  same(a: Stated, b: Stated): boolean
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
