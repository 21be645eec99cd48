/** How a model turns positions into angles. */
export interface RotarySpec {
  theta: number
  /** Llama 3's stretching of low frequencies; absent for plain rotary embeddings. */
  llama3?: { factor: number; lowFrequencyFactor: number; highFrequencyFactor: number; originalContext: number }
  /** Positions are divided by this ("linear" scaling). */
  linearFactor?: number
}

/**
 * cos and sin of every position's angles, [positions, columns] each: angle = position·θ^(−2i/headSize)
 * (RoFormer, arXiv 2104.09864), in single precision step by step as the reference implementations do. Columns from
 * headSize/2 on are zero.
 */
export function rotaryTables(spec: RotarySpec, headSize: number, positions: number, columns = headSize / 2) {
  const cos = new Float32Array(positions * columns)
  const sin = new Float32Array(positions * columns)
  for (let i = 0; i < headSize / 2; i++) {
    const frequency = stretch(Math.fround(1 / Math.fround(spec.theta ** ((2 * i) / headSize))), spec)
    for (let t = 0; t < positions; t++) {
      const angle = Math.fround(t * frequency)
      cos[t * columns + i] = Math.cos(angle)
      sin[t * columns + i] = Math.sin(angle)
    }
  }
  return { cos, sin }
}

function stretch(frequency: number, { llama3, linearFactor = 1 }: RotarySpec): number {
  if (!llama3) return Math.fround(frequency / linearFactor)
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = llama3
  const wavelength = (2 * Math.PI) / frequency
  if (wavelength < originalContext / high) return frequency
  if (wavelength > originalContext / low) return Math.fround(frequency / factor)
  const smooth = (originalContext / wavelength - low) / (high - low)
  return Math.fround(((1 - smooth) * frequency) / factor + smooth * frequency)
}
