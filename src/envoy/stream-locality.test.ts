import fc from 'fast-check'
import { expect, test } from 'vitest'
import { buildLocalities, type WeightedEndpoints } from './stream-locality.ts'

const at = (address: string, marked = false) => ({
  endpoint: { address: { socketAddress: { address, portValue: 80 } } },
  ...(marked && { metadata: { filterMetadata: {} } }),
})
const backend = (name: string, weight: number, addresses: readonly string[], isMarked = false): WeightedEndpoints => ({
  name,
  weight,
  endpoints: addresses.map((address) => at(address, isMarked)),
  isMarked,
})
/** Locality, weight, addresses. */
const show = (backends: readonly WeightedEndpoints[]) =>
  buildLocalities(backends).map(({ locality, loadBalancingWeight, lbEndpoints = [] }) => [
    locality?.zone,
    loadBalancingWeight?.value,
    ...lbEndpoints.map(({ endpoint }) => endpoint?.address?.socketAddress?.address),
  ])

test('backends of their own addresses have the weights that are written', () => {
  expect(show([backend('a', 7, ['1', '2']), backend('b', 3, ['3'])])).toEqual([
    ['a', 7, '1', '2'],
    ['b', 3, '3'],
  ])
})

test('two backends of the same addresses are one', () => {
  expect(show([backend('a', 7, ['1', '2']), backend('b', 3, ['1', '2'])])).toEqual([['a+b', 1_000_000, '1', '2']])
})

test('addresses that two backends share have what both would give them', () => {
  expect(show([backend('a', 50, ['1', '2']), backend('b', 50, ['2', '3'])])).toEqual([
    ['a', 250_000, '1'],
    ['a+b', 500_000, '2'],
    ['b', 250_000, '3'],
  ])
})

test('a shared address is spoken to with TLS if any of its backends is', () => {
  const [, shared] = buildLocalities([backend('a', 1, ['1', '2']), backend('b', 1, ['2'], true)])
  expect(shared?.lbEndpoints?.[0]).toEqual(at('2', true))
})

test('each backend has its weight, each address once, and no locality two kinds of addresses', () => {
  const addresses = fc.uniqueArray(fc.integer({ min: 1, max: 6 }).map(String), { minLength: 1 })
  const weight = fc.integer({ min: 1, max: 1000 })
  fc.assert(
    fc.property(fc.array(fc.tuple(weight, addresses), { minLength: 1, maxLength: 5 }), (given) => {
      const backends = given.map(([w, all], index) => backend(`b${index}`, w, all))
      const total = given.reduce((sum, [w]) => sum + w, 0)
      const localities = show(backends) as [string, number, ...string[]][]
      const sum = localities.reduce((all, [, w]) => all + w, 0)
      const parts = new Map(localities.flatMap(([, w, ...all]) => all.map((a) => [a, w / sum / all.length] as const)))
      expect(parts.size).toBe(localities.reduce((count, [, , ...all]) => count + all.length, 0))
      for (const [address, part] of parts) {
        const owed = given
          .filter(([, all]) => all.includes(address))
          .reduce((all, [w, own]) => all + w / own.length / total, 0)
        expect(Math.abs(part - owed)).toBeLessThan(1e-5)
      }
    }),
  )
})
