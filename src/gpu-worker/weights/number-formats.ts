/** Raw little-endian bytes to single precision. `bytes` start at the beginning of their buffer; `out` fixes the count. */
export type Decode = (bytes: Uint8Array<ArrayBuffer>, out: Float32Array) => void

/** Formats that store one number at a time, by the name that safetensors and GGUF give them; `size` in bytes. */
export const NUMBER_FORMATS = {
  F32: { size: 4, decode: (bytes, out) => out.set(new Float32Array(bytes.buffer)) },
  F16: { size: 2, decode: (bytes, out) => out.set(new Float16Array(bytes.buffer)) },
  BF16: {
    size: 2,
    decode: (bytes, out) => {
      // A bfloat16 is the upper half of a float32.
      const halves = new Uint16Array(bytes.buffer)
      const words = new Uint32Array(out.buffer, out.byteOffset, out.length)
      for (let i = 0; i < words.length; i++) words[i] = halves[i]! << 16
    },
  },
} satisfies Record<string, { size: number; decode: Decode }>
