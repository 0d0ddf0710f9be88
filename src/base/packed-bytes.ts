/**
 * A few bytes that are kept by the thousands and rarely looked at, as a text with a character for each of them: a view
 * of an array buffer takes a hundred bytes beside its own. Compares like any text.
 */
export type PackedBytes = string & { readonly __brand: 'PackedBytes' }

export function packBytes(bytes: Uint8Array): PackedBytes {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return buffer.toString('latin1') as PackedBytes
}

/** To a place among other bytes, without making them first. @returns how many they are */
export function copyPacked(packed: PackedBytes, into: Buffer, at: number): number {
  return into.write(packed, at, 'latin1')
}

export function unpackBytes(packed: PackedBytes): Uint8Array {
  return Buffer.from(packed, 'latin1')
}
