import { afterEach, beforeEach, expect, test } from 'vitest'
import type { NamespacedName } from '../../gatewayapi/object-key.ts'
import { InfrastructureBed } from '../../testing/infrastructure-bed.ts'
import { testFleet } from '../../testing/pod-envoy.ts'
import { findProxyScope } from './proxy-scope.ts'

let bed: InfrastructureBed

beforeEach(async () => {
  bed = new InfrastructureBed()
  await bed.start()
})
afterEach(() => bed.stop())

const scopeOf = (account: string, namespace = 'shop') => findProxyScope(bed.owned, bed.fleets, namespace, account)

test('a service account leads to the Gateway that it was made for', async () => {
  expect(scopeOf('edge-gatewright')).toBeUndefined()
  await bed.setFleet()
  expect(scopeOf('edge-gatewright')).toBe('shop/edge')
  expect(scopeOf('edge-gatewright', 'other')).toBeUndefined()
  expect(scopeOf('default')).toBeUndefined()
})

test('an account that only has the name leads nowhere', async () => {
  bed.api.put({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: 'shop', name: 'edge-gatewright' } })
  await bed.setFleet()
  expect(scopeOf('edge-gatewright')).toBeUndefined()
})

test('an account leads to one Gateway, though two have its name', async () => {
  await bed.setFleet({ key: 'shop/a-b' as NamespacedName, className: 'c', uid: 'uid-1' })
  await bed.setFleet({ key: 'shop/a' as NamespacedName, className: 'b-c', uid: 'uid-2' })
  expect(scopeOf('a-b-c')).toBe('shop/a-b')
})

test('an account of a Gateway that is gone leads nowhere, also when there is another of its name', async () => {
  await bed.setFleet()
  await bed.dropFleet()
  expect(scopeOf('edge-gatewright')).toBeUndefined()
  await bed.setFleet({ uid: 'another' })
  expect(scopeOf('edge-gatewright')).toBeUndefined()
  expect(testFleet.uid).not.toBe('another')
})
