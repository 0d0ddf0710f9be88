/** What is larger gets memory of its own: beside it, its overhead is small. */
const smallest = 1024
/** With what malloc keeps beside it, a whole number of pages: so large that it gets them (MALLOC_MMAP_THRESHOLD_ in the chart). */
const slabSize = 20 * 1024 - 64

let slab = Buffer.allocUnsafeSlow(slabSize)
let used = 0

/**
 * A copy for whoever keeps it for long. Encoders hand out a part of the slab that their scratch memory is in, too, so
 * that a kept result holds three times its size. The copies lie side by side in slabs that hold nothing else.
 */
export function keepBytes(bytes: Uint8Array): Uint8Array {
  const { length } = bytes
  if (length > smallest) {
    const own = Buffer.allocUnsafeSlow(length)
    own.set(bytes)
    return own
  }
  if (used + length > slabSize) {
    slab = Buffer.allocUnsafeSlow(slabSize)
    used = 0
  }
  const kept = slab.subarray(used, used + length)
  kept.set(bytes)
  used += length
  return kept
}
