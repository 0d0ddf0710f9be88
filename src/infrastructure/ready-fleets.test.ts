import { beforeEach, expect, test } from 'vitest'
import type { Collection, Source } from '../collections/collection.ts'
import { Scheduler } from '../collections/scheduler.ts'
import { type NamespacedName, namespacedName } from '../gatewayapi/object-key.ts'
import { type EndpointSlice, serviceNameLabel } from '../gatewayapi/objects/endpoint-slice.ts'
import type { Service } from '../gatewayapi/objects/service.ts'
import { keyOf, parseObjects } from '../testing/builders.ts'
import { testFleet } from '../testing/pod-envoy.ts'
import { createGatewayServices } from './gateway-services.ts'
import { gatewayUidLabel } from './labels.ts'
import type { ProxyFleet } from './proxy-fleet.ts'
import { createReadyFleets } from './ready-fleets.ts'

let scheduler: Scheduler
let slices: Source<NamespacedName, EndpointSlice>
let ready: Collection<NamespacedName, true>
let changes = 0

beforeEach(() => {
  scheduler = new Scheduler({ rethrow: true })
  const fleets = scheduler.source<NamespacedName, ProxyFleet>('ProxyFleet')
  const services = scheduler.source<NamespacedName, Service>('Service')
  slices = scheduler.source('EndpointSlice')
  const bySlice = scheduler.index('EndpointSlices by Service', slices, ({ metadata }) => [
    namespacedName(metadata.namespace, metadata.labels[serviceNameLabel] ?? ''),
  ])
  ready = createReadyFleets(scheduler, fleets, createGatewayServices(scheduler, fleets, services), bySlice)
  changes = 0
  ready.subscribe((found) => {
    changes += found.length
  })
  const [service] = parseObjects(`
apiVersion: v1
kind: Service
metadata: {name: edge-gatewright, namespace: shop, labels: {${gatewayUidLabel}: "${testFleet.uid}"}}
spec: {type: LoadBalancer}
`) as [Service]
  scheduler.batch(() => {
    fleets.set(testFleet.key, testFleet)
    services.set(keyOf(service), service)
  })
})

/** @param endpoints the conditions of each */
function setSlice(name: string, service: string, ...endpoints: readonly object[]): void {
  const [slice] = parseObjects(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}, namespace: shop, labels: {${serviceNameLabel}: ${service}}}
addressType: IPv4
endpoints: ${JSON.stringify(endpoints.map((conditions) => ({ addresses: ['10.0.0.1'], conditions })))}
`) as [EndpointSlice]
  scheduler.batch(() => slices.set(keyOf(slice), slice))
}

test('a Gateway is ready from its first ready pod to its last one', () => {
  expect(ready.size).toBe(0)
  setSlice('a', 'edge-gatewright', { ready: false })
  setSlice('b', 'other', { ready: true })
  expect(ready.size).toBe(0)
  setSlice('a', 'edge-gatewright', { ready: true })
  expect(ready.get(testFleet.key)).toBe(true)
  setSlice('a', 'edge-gatewright', { ready: false, serving: true, terminating: true })
  expect(ready.size).toBe(0)
})

test('a rollout changes nothing', () => {
  setSlice('a', 'edge-gatewright', { ready: true })
  changes = 0
  setSlice('a', 'edge-gatewright', { ready: true }, { ready: false })
  setSlice('a', 'edge-gatewright', { ready: true }, { ready: true })
  setSlice('a', 'edge-gatewright', { ready: false, serving: true, terminating: true }, { ready: true })
  setSlice('a', 'edge-gatewright', { ready: true })
  expect([changes, ready.get(testFleet.key)]).toEqual([0, true])
})
