import fc from 'fast-check'
import { expect, test } from 'vitest'
import { intersectHostname } from '../gatewayapi/hostname.ts'
import { HostnameOverlaps } from './hostname-overlap.ts'

const label = fc.constantFrom('a', 'b', 'c')
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
const hostname = fc.oneof(
  fc.constant(''),
  name,
  name.map((n) => `*.${n}`),
)

test('overlaps are those that comparing each with each finds', () => {
  fc.assert(
    fc.property(fc.array(hostname, { maxLength: 12 }), (hostnames) => {
      const overlaps = new HostnameOverlaps<number>()
      for (const [owner, own] of hostnames.entries()) overlaps.add(own, owner)
      for (const [owner, own] of hostnames.entries()) {
        const expected = [...hostnames.entries()]
          .filter(([other, theirs]) => other !== owner && intersectHostname(own, theirs) !== undefined)
          .map(([other]) => other)
        expect([...overlaps.find(own, owner, 100)].sort((a, b) => a - b)).toEqual(expected)
      }
    }),
    { numRuns: 2000 },
  )
})

test('no more are found than asked for', () => {
  const overlaps = new HostnameOverlaps<number>()
  for (let owner = 0; owner < 100; owner++) overlaps.add(`h${owner}.example.com`, owner)
  expect(overlaps.find('*.example.com', -1, 3).size).toBe(3)
})
