/**
 * How a model turns positions into angles (RoFormer, arXiv 2104.09864): pair i of a head's first numbers is turned by
 * position·frequency[i].
 */
export interface RotarySpec {
  /** Radians a position, of every pair: half as many as numbers are turned. */
  frequencies: readonly number[]
  /** Pairs are neighbours, (2i, 2i+1), instead of half the turned width apart. */
  interleaved?: boolean
  /** cos and sin are multiplied by this; 1 when absent. */
  magnitude?: number
  /** What is different in long texts. */
  inLongTexts?: LongTextRotation
}

/**
 * The rotation of texts longer than `above` tokens, at all of their positions: other frequencies (LongRoPE, arXiv
 * 2402.13753), or a base that grows with the text's length n (dynamic NTK):
 * base·(factor·n/above − (factor − 1))^(d/(d−2)), d being the turned width.
 */
export type LongTextRotation = { above: number } & ({ frequencies: readonly number[] } | { factor: number })

/** How many of a head's numbers are turned. */
export const rotatedWidth = ({ frequencies }: RotarySpec): number => 2 * frequencies.length

/**
 * cos and sin of every position's angles, [positions, columns] each, in single precision step by step as the reference
 * implementations do. Columns past the last pair are zero.
 */
export function rotaryTables({ frequencies, magnitude = 1 }: RotarySpec, positions: number, columns: number) {
  const cos = new Float32Array(positions * columns)
  const sin = new Float32Array(positions * columns)
  frequencies.forEach((frequency, i) => {
    for (let t = 0; t < positions; t++) {
      const angle = Math.fround(t * frequency)
      cos[t * columns + i] = Math.cos(angle) * magnitude
      sin[t * columns + i] = Math.sin(angle) * magnitude
    }
  })
  return { cos, sin }
}
