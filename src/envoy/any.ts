import type { Codec } from '../gen/envoy.js'

/** A message inside a google.protobuf.Any. */
export function packAny<T>(codec: Codec<T>, message: T): { type_url: string; value: Uint8Array } {
  return { type_url: codec.getTypeUrl(), value: codec.encode(message).finish() }
}

/** google.protobuf.Duration of whole milliseconds. */
export function buildDuration(milliseconds: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(milliseconds / 1000)
  return { seconds, nanos: (milliseconds - seconds * 1000) * 1_000_000 }
}
