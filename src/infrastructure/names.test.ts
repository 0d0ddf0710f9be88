import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import { infrastructureName, labelValue } from './names.ts'

const nameOf = (gateway: string, className: string) =>
  infrastructureName({ key: `shop/${gateway}` as NamespacedName, className })

test('what fits is the name of GEP-1762 as it is', () => {
  expect(nameOf('edge', 'gatewright')).toBe('edge-gatewright')
  expect(nameOf('a'.repeat(52), 'gatewright')).toBe(`${'a'.repeat(52)}-gatewright`)
})

test('what does not fit is cut, and a hash keeps it apart from its like', () => {
  expect(nameOf('a'.repeat(53), 'gatewright')).toMatch(/^a{50}-[0-9a-f]{12}$/)
  expect(nameOf('1st', 'gatewright')).toMatch(/^gw-1st-gatewright-[0-9a-f]{12}$/)
  expect(nameOf('web.shop', 'gatewright')).toMatch(/^web-shop-gatewright-[0-9a-f]{12}$/)
  expect(nameOf('web.shop', 'gatewright')).not.toBe(nameOf('web-shop', 'gatewright'))
})

test('every name is one that a Service may have, and every label value one that a label may have', () => {
  const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/)
  const subdomain = fc
    .array(label, { minLength: 1, maxLength: 5 })
    .map((labels) => labels.join('.'))
    .filter((name) => name.length <= 253)
  fc.assert(
    fc.property(subdomain, subdomain, (gateway, className) => {
      expect(nameOf(gateway, className)).toMatch(/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/)
      expect(labelValue(gateway)).toMatch(/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/)
    }),
  )
})
