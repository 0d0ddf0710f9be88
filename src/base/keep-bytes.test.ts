import { expect, test } from 'vitest'
import { keepBytes } from './keep-bytes.ts'

test('Kept bytes are equal to what they were made from, whatever becomes of it and however many follow', () => {
  const sizes = [0, 1, 100, 1023, 1024, 1025, 40_000]
  const kept = Array.from({ length: 500 }, (_, index) => {
    const scratch = new Uint8Array(sizes[index % sizes.length] ?? 0).fill(index)
    const copy = keepBytes(scratch)
    scratch.fill(255)
    return copy
  })
  for (const [index, bytes] of kept.entries())
    expect(Buffer.from(bytes)).toEqual(Buffer.alloc(sizes[index % sizes.length] ?? 0, index))
})

test('Small ones lie side by side: they hold little more memory than they have bytes', () => {
  const kept = Array.from({ length: 1_000 }, () => keepBytes(new Uint8Array(120)))
  const held = new Set(kept.map(({ buffer }) => buffer))
  const size = [...held].reduce((sum, { byteLength }) => sum + byteLength, 0)
  expect(size).toBeLessThan(1_000 * 120 * 1.3)
})
