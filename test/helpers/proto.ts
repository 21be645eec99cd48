/** One field of a protocol-buffer message: a whole number, or the bytes of text, a message or a 32-bit float. */
export interface ProtoField {
  field: number
  value: bigint | Uint8Array
}

/** Reads a message's fields, in order, by the wire format alone (https://protobuf.dev/programming-guides/encoding). */
export function readProto(bytes: Uint8Array): ProtoField[] {
  const fields: ProtoField[] = []
  let place = 0
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[place++]!
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
  }
  const take = (length: number) => {
    if (place + length > bytes.length) throw new Error(`a field reaches past the end, at byte ${place}`)
    return bytes.subarray(place, (place += length))
  }
  while (place < bytes.length) {
    const key = Number(varint())
    const [field, wire] = [key >> 3, key & 7]
    if (wire === 0) fields.push({ field, value: varint() })
    else if (wire === 2) fields.push({ field, value: take(Number(varint())) })
    else if (wire === 5) fields.push({ field, value: take(4) })
    else throw new Error(`wire type ${wire} at byte ${place}`)
  }
  return fields
}

/** The values of one repeated field: its messages or texts as bytes, its numbers as signed 64-bit. */
export const bytesOf = (message: Uint8Array, field: number): Uint8Array[] =>
  readProto(message).flatMap((f) => (f.field === field && f.value instanceof Uint8Array ? [f.value] : []))

export const textsOf = (message: Uint8Array, field: number): string[] =>
  bytesOf(message, field).map((bytes) => Buffer.from(bytes).toString('utf8'))

export const numbersOf = (message: Uint8Array, field: number): number[] =>
  readProto(message).flatMap((f) =>
    f.field === field && typeof f.value === 'bigint' ? [Number(BigInt.asIntN(64, f.value))] : [],
  )
