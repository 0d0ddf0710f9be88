import fc from 'fast-check'
import { expect, test } from 'vitest'
import { selectorServiceName } from './selector-service.ts'

test('a name that fits is told apart by its end', () => {
  expect(selectorServiceName('cart')).toBe('cart-xbackend')
  expect(selectorServiceName('cart-xbackend')).toBe('cart-xbackend-xbackend')
  expect(selectorServiceName('a'.repeat(54))).toBe(`${'a'.repeat(54)}-xbackend`)
})

test('one that is no name of a Service is made one, and a hash keeps it apart', () => {
  expect(selectorServiceName('cart.v1')).toMatch(/^cart-v1-xbackend-[0-9a-f]{12}$/)
  expect(selectorServiceName('1cart')).toMatch(/^x-1cart-xbackend-[0-9a-f]{12}$/)
  expect(selectorServiceName('a'.repeat(253))).toMatch(/^a{50}-[0-9a-f]{12}$/)
})

test('every name of an XBackend comes to a name of a Service, and no two to one', () => {
  const name = fc
    .stringMatching(/^[a-z0-9]([-a-z0-9.]{0,80}[a-z0-9])?$/)
    .chain((text) => fc.constantFrom(text, `${text}-xbackend`, selectorServiceName(text)))
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 20 }), (names) => {
      const services = names.map(selectorServiceName)
      for (const service of services) expect(service).toMatch(/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/)
      expect(new Set(services).size).toBe(names.length)
    }),
  )
})
