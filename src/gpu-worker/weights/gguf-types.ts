import { NUMBER_FORMATS, type Decode } from './number-formats.ts'

export interface BlockType {
  /** Numbers in one block. */
  blockSize: number
  /** Bytes of one block. */
  blockBytes: number
  decode: Decode
}

/**
 * GGML's tensor types that can be read. The quantised ones hold whole numbers q in blocks of 32, or in super-blocks of
 * 256 (`_K`), with half-precision scales d and, where said, minima m. Every product below is exact in single precision
 * and each sum is rounded once, so that the numbers are to the bit those of ggml's own reference.
 * Layouts: ggml-common.h of https://github.com/ggml-org/ggml.
 */
export const BLOCK_TYPES = {
  F32: plain('F32'),
  F16: plain('F16'),
  BF16: plain('BF16'),
  /** d·(q − 8): d, 16 pairs */
  Q4_0: blocks(32, 18, ({ bytes, halves }, at, out, to) => {
    const d = halves[at / 2]!
    nibbles(bytes, at + 2, 16, out, to, d, -8 * d, d, -8 * d)
  }),
  /** d·q + m: d, m, 16 pairs */
  Q4_1: blocks(32, 20, ({ bytes, halves }, at, out, to) => {
    const [d, m] = [halves[at / 2]!, halves[at / 2 + 1]!]
    nibbles(bytes, at + 4, 16, out, to, d, m, d, m)
  }),
  /** d·(q − 16): d, 32 fifth bits, 16 pairs */
  Q5_0: blocks(32, 22, ({ bytes, halves }, at, out, to) => {
    const d = halves[at / 2]!
    fiveBits(bytes, at + 2, out, to, d, -16 * d)
  }),
  /** d·q + m: d, m, 32 fifth bits, 16 pairs */
  Q5_1: blocks(32, 24, ({ bytes, halves }, at, out, to) => {
    fiveBits(bytes, at + 4, out, to, halves[at / 2]!, halves[at / 2 + 1]!)
  }),
  /** d·q, q signed: d, 32 bytes */
  Q8_0: blocks(32, 34, ({ signed, halves }, at, out, to) => {
    const d = halves[at / 2]!
    for (let i = 0; i < 32; i++) out[to + i] = d * signed[at + 2 + i]!
  }),
  /** d·scale·q − m·minimum by eights of 32: d, m, scales and minima, 128 pairs */
  Q4_K: blocks(256, 144, ({ bytes, halves }, at, out, to) => {
    const [d, m] = [halves[at / 2]!, halves[at / 2 + 1]!]
    for (let part = 0; part < 4; part++) {
      const [scale, minimum] = sixBits(bytes, at + 4, 2 * part)
      const [scaleHigh, minimumHigh] = sixBits(bytes, at + 4, 2 * part + 1)
      const from = at + 16 + 32 * part
      nibbles(bytes, from, 32, out, to + 64 * part, d * scale, -m * minimum, d * scaleHigh, -m * minimumHigh)
    }
  }),
  /** As Q4_K, with 32 bytes before the pairs: byte i has the fifth bits of number i of each eighth. */
  Q5_K: blocks(256, 176, ({ bytes, halves }, at, out, to) => {
    const [d, m] = [halves[at / 2]!, halves[at / 2 + 1]!]
    for (let eighth = 0; eighth < 8; eighth++) {
      const [scale, minimum] = sixBits(bytes, at + 4, eighth)
      const [factor, offset] = [d * scale, -m * minimum]
      const from = at + 48 + 32 * (eighth >> 1)
      const shift = 4 * (eighth & 1)
      for (let i = 0; i < 32; i++) {
        const q = ((bytes[from + i]! >> shift) & 15) | (((bytes[at + 16 + i]! >> eighth) & 1) << 4)
        out[to + 32 * eighth + i] = factor * q + offset
      }
    }
  }),
  /** d·scale·(q − 32) by sixteenths, scales signed: low four bits, high two bits, 16 scales, d */
  Q6_K: blocks(256, 210, ({ bytes, signed, halves }, at, out, to) => {
    const d = halves[(at + 208) / 2]!
    for (let quarter = 0; quarter < 8; quarter++) {
      // The two halves of a super-block come one after the other; within one, four runs of 32 share their bytes.
      const [half, run] = [quarter >> 2, quarter & 3]
      const low = at + 64 * half + 32 * (run & 1)
      const high = at + 128 + 32 * half
      for (let i = 0; i < 32; i++) {
        const q = ((bytes[low + i]! >> (4 * (run >> 1))) & 15) | (((bytes[high + i]! >> (2 * run)) & 3) << 4)
        out[to + 32 * quarter + i] = d * signed[at + 192 + 2 * quarter + (i >> 4)]! * (q - 32)
      }
    }
  }),
} satisfies Record<string, BlockType>

/** One file's bytes as the numbers that blocks are made of. */
interface Views {
  bytes: Uint8Array
  signed: Int8Array
  halves: Float16Array
}

/** A type whose blocks are decoded one by one; `at` is where a block's bytes begin, `to` where its numbers go. */
function blocks(
  blockSize: number,
  blockBytes: number,
  decodeBlock: (views: Views, at: number, out: Float32Array, to: number) => void,
): BlockType {
  const decode: Decode = (bytes, out) => {
    const views = { bytes, signed: new Int8Array(bytes.buffer), halves: new Float16Array(bytes.buffer) }
    for (let at = 0, to = 0; at < bytes.length; at += blockBytes, to += blockSize) decodeBlock(views, at, out, to)
  }
  return { blockSize, blockBytes, decode }
}

/** `count` bytes to as many numbers d·q + m from their low halves, then as many from their high ones. */
function nibbles(
  bytes: Uint8Array,
  at: number,
  count: number,
  out: Float32Array,
  to: number,
  d: number,
  m: number,
  dHigh: number,
  mHigh: number,
): void {
  for (let i = 0; i < count; i++) {
    const pair = bytes[at + i]!
    out[to + i] = d * (pair & 15) + m
    out[to + count + i] = dHigh * (pair >> 4) + mHigh
  }
}

/** 4 bytes of fifth bits and 16 of pairs to 32 numbers d·q + m. */
function fiveBits(bytes: Uint8Array, at: number, out: Float32Array, to: number, d: number, m: number): void {
  const fifth = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
  for (let i = 0; i < 16; i++) {
    const pair = bytes[at + 4 + i]!
    out[to + i] = d * ((pair & 15) | (((fifth >> i) & 1) << 4)) + m
    out[to + 16 + i] = d * ((pair >> 4) | (((fifth >> (i + 16)) & 1) << 4)) + m
  }
}

/**
 * Scale and minimum of an eighth of a super-block: 16 numbers of six bits in 12 bytes. Those of the first four eighths
 * are the low six bits of bytes 0 to 7; of the last four, bytes 8 to 11 have the low four bits, and what bytes 0 to 7
 * have left the upper two.
 */
function sixBits(bytes: Uint8Array, at: number, eighth: number): [scale: number, minimum: number] {
  const here = bytes[at + eighth]!
  if (eighth < 4) return [here & 63, bytes[at + eighth + 4]! & 63]
  const low = bytes[at + eighth + 4]!
  return [(low & 15) | ((bytes[at + eighth - 4]! >> 6) << 4), (low >> 4) | ((here >> 6) << 4)]
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
