/**
 * A few bytes that are kept by the thousands and rarely looked at, as a text with a character for each of them: a view
 * of an array buffer takes a hundred bytes beside its own. Compares like any text.
 */
export type PackedBytes = string & { readonly __brand: 'PackedBytes' }

export function packBytes(bytes: Uint8Array): PackedBytes {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return buffer.toString('latin1') as PackedBytes
}

export function unpackBytes(packed: PackedBytes): Uint8Array {
  return Buffer.from(packed, 'latin1')
}
