import { NUMBER_FORMATS, type Decode } from './number-formats.ts'

export interface BlockType {
  /** Numbers in one block. */
  blockSize: number
  /** Bytes of one block. */
  blockBytes: number
  decode: Decode
}

/**
 * GGML's tensor types that can be read. In the quantised ones each block of 32 numbers has a half-precision scale d
 * (and, in `_1`, a minimum m) in front of its integers q; 4-bit ones come two a byte, the low halves first.
 * Layouts: ggml-common.h of https://github.com/ggml-org/ggml.
 */
export const BLOCK_TYPES = {
  F32: plain('F32'),
  F16: plain('F16'),
  BF16: plain('BF16'),
  /** d·(q − 8) */
  Q4_0: {
    blockSize: 32,
    blockBytes: 18,
    decode: (bytes, out) => {
      const halves = new Float16Array(bytes.buffer)
      for (let block = 0, at = 0; at < bytes.length; block++, at += 18)
        nibbles(bytes, at + 2, out, 32 * block, halves[at / 2]!, -8 * halves[at / 2]!)
    },
  },
  /** d·q + m */
  Q4_1: {
    blockSize: 32,
    blockBytes: 20,
    decode: (bytes, out) => {
      const halves = new Float16Array(bytes.buffer)
      for (let block = 0, at = 0; at < bytes.length; block++, at += 20)
        nibbles(bytes, at + 4, out, 32 * block, halves[at / 2]!, halves[at / 2 + 1]!)
    },
  },
  /** d·q, q signed */
  Q8_0: {
    blockSize: 32,
    blockBytes: 34,
    decode: (bytes, out) => {
      const halves = new Float16Array(bytes.buffer)
      const signed = new Int8Array(bytes.buffer)
      for (let block = 0, at = 0; at < bytes.length; block++, at += 34) {
        const d = halves[at / 2]!
        for (let i = 0; i < 32; i++) out[32 * block + i] = d * signed[at + 2 + i]!
      }
    },
  },
} satisfies Record<string, BlockType>

/** 16 bytes to 32 numbers d·q + m. */
function nibbles(bytes: Uint8Array, at: number, out: Float32Array, to: number, d: number, m: number): void {
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + i]!
    out[to + i] = d * (pair & 15) + m
    out[to + 16 + i] = d * (pair >> 4) + m
  }
}

function plain(format: keyof typeof NUMBER_FORMATS): BlockType {
  const { size, decode } = NUMBER_FORMATS[format]
  return { blockSize: 1, blockBytes: size, decode }
}

/** Names of the format's type numbers, for those that occur in files. */
export const TYPE_NAMES: Readonly<Record<number, string>> = {
  0: 'F32', 1: 'F16', 2: 'Q4_0', 3: 'Q4_1', 6: 'Q5_0', 7: 'Q5_1', 8: 'Q8_0', 9: 'Q8_1', 10: 'Q2_K', 11: 'Q3_K',
  12: 'Q4_K', 13: 'Q5_K', 14: 'Q6_K', 15: 'Q8_K', 16: 'IQ2_XXS', 17: 'IQ2_XS', 18: 'IQ3_XXS', 19: 'IQ1_S',
  20: 'IQ4_NL', 21: 'IQ3_S', 22: 'IQ2_S', 23: 'IQ4_XS', 24: 'I8', 25: 'I16', 26: 'I32', 27: 'I64', 28: 'F64',
  29: 'IQ1_M', 30: 'BF16', 34: 'TQ1_0', 35: 'TQ2_0', 39: 'MXFP4', 40: 'NVFP4',
} // prettier-ignore
