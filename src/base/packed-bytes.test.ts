import fc from 'fast-check'
import { expect, test } from 'vitest'
import { packBytes, unpackBytes } from './packed-bytes.ts'

test('Bytes come back as they were, and have a text that others do not have', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      expect(new Uint8Array(unpackBytes(packBytes(a)))).toEqual(a)
      expect(packBytes(a) === packBytes(b)).toBe(Buffer.compare(a, b) === 0)
    }),
  )
})

test('Only the part of a buffer is packed that was given', () => {
  const slab = Uint8Array.from({ length: 300 }, (_, index) => index)
  expect([...unpackBytes(packBytes(slab.subarray(126, 130)))]).toEqual([126, 127, 128, 129])
})
