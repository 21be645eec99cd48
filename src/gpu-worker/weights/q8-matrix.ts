import { GavelError } from '../../core/errors.ts'

/** Numbers that share a scale. */
export const Q8_BLOCK = 32
/** What stands for 0 in a byte. */
const ZERO = 128

/**
 * A matrix [rows, columns] as GGML's Q8_0 keeps it: blocks of 32 numbers along a row, each a scale times a whole number
 * from −128 to 127. A number is scale·(byte − 128).
 */
export interface Q8Matrix {
  rows: number
  /** A multiple of 32. */
  columns: number
  /** [rows, columns] */
  bytes: Uint8Array
  /** [rows, columns / 32], each a half-precision number. */
  scales: Float32Array
}

/**
 * Rounds a matrix [rows, columns], or one that lies the other way round (`transposed`: [columns, rows]), to Q8_0 as GGML
 * does: the scale of a block is its largest magnitude / 127, kept in half precision. What GGML has rounded before comes
 * out to the bit. A number is wrong by at most half a scale, and by what the scale's own rounding adds to it.
 * Throws `unsupported_model` where a scale is beyond half precision.
 */
export function quantiseQ8(
  data: Float32Array,
  { rows, columns, transposed = false }: { rows: number; columns: number; transposed?: boolean },
): Q8Matrix {
  const [rowStride, stride] = transposed ? [1, rows] : [columns, 1]
  const perRow = columns / Q8_BLOCK
  const bytes = new Uint8Array(rows * columns)
  const scales = new Float16Array(rows * perRow)
  for (let block = 0; block < scales.length; block++) {
    const start = Math.floor(block / perRow) * rowStride + (block % perRow) * Q8_BLOCK * stride
    let largest = 0
    for (let i = 0; i < Q8_BLOCK; i++) largest = Math.max(largest, Math.abs(data[start + i * stride]!))
    // Each step in single precision, as GGML's own.
    const scale = Math.fround(largest / 127)
    const inverse = scale && Math.fround(1 / scale)
    scales[block] = scale
    for (let i = 0; i < Q8_BLOCK; i++) {
      const x = Math.fround(data[start + i * stride]! * inverse)
      // Halves go away from zero.
      bytes[block * Q8_BLOCK + i] = ZERO + (x < 0 ? -Math.round(-x) : Math.round(x))
    }
  }
  if (scales.includes(Infinity)) {
    throw new GavelError('unsupported_model', 'weights above 8 million cannot be kept in Q8_0; serve them as float32')
  }
  return { rows, columns, bytes, scales: Float32Array.from(scales) }
}
