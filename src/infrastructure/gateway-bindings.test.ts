import { beforeEach, expect, test } from 'vitest'
import type { Collection, Source } from '../collections/collection.ts'
import { Scheduler } from '../collections/scheduler.ts'
import type { NamespacedName } from '../gatewayapi/object-key.ts'
import type { Service } from '../gatewayapi/objects/service.ts'
import type { GatewayBinding } from '../graph/gateway-binding.ts'
import type { Problem } from '../graph/problem.ts'
import { keyOf, parseObjects } from '../testing/builders.ts'
import { testFleet } from '../testing/pod-envoy.ts'
import { createGatewayBindings } from './gateway-bindings.ts'
import { createGatewayServices } from './gateway-services.ts'
import { gatewayUidLabel } from './labels.ts'
import type { ProxyFleet } from './proxy-fleet.ts'

let scheduler: Scheduler
let fleets: Source<NamespacedName, ProxyFleet>
let services: Source<NamespacedName, Service>
let problems: Source<NamespacedName, readonly Problem[]>
let bindings: Collection<NamespacedName, GatewayBinding>

beforeEach(() => {
  scheduler = new Scheduler({ rethrow: true })
  fleets = scheduler.source('ProxyFleet')
  services = scheduler.source('Service')
  problems = scheduler.source('InfrastructureProblem')
  const made = createGatewayServices(scheduler, fleets, services)
  bindings = createGatewayBindings(scheduler, fleets, made, problems, { listenAddress: '::' })
})

const setFleet = (fleet: ProxyFleet) => scheduler.batch(() => fleets.set(fleet.key, fleet))

function setService(name: string, uid: string, ip: string): void {
  const [service] = parseObjects(`
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop, labels: {${gatewayUidLabel}: "${uid}"}}
spec: {type: LoadBalancer}
status: {loadBalancer: {ingress: [{ip: ${ip}}]}}
`) as [Service]
  scheduler.batch(() => services.set(keyOf(service), service))
}

test('ports are bound as soon as there is a Gateway, and addresses follow', () => {
  setFleet(testFleet)
  expect(bindings.get(testFleet.key)).toEqual({
    listenAddress: '::',
    ports: { 80: 10080 },
    addresses: [],
    portProblems: {},
  })
  setService('edge-gatewright', testFleet.uid, '192.0.2.1')
  expect(bindings.get(testFleet.key)?.addresses).toEqual([{ type: 'IPAddress', value: '192.0.2.1', routability: '' }])
  setService('edge-gatewright', testFleet.uid, '192.0.2.2')
  expect(bindings.get(testFleet.key)?.addresses).toEqual([{ type: 'IPAddress', value: '192.0.2.2', routability: '' }])
  scheduler.batch(() => fleets.delete(testFleet.key))
  expect(bindings.size).toBe(0)
})

test('a Service that only has the name gives no address', () => {
  setFleet(testFleet)
  setService('edge-gatewright', 'another', '192.0.2.1')
  expect(bindings.get(testFleet.key)?.addresses).toEqual([])
})

test('of two Gateways that come to one name, each has the addresses of its own Service', () => {
  const first = { ...testFleet, key: 'shop/a-b' as NamespacedName, className: 'c', uid: 'uid-1' }
  const second = { ...testFleet, key: 'shop/a' as NamespacedName, className: 'b-c', uid: 'uid-2' }
  setFleet(first)
  setFleet(second)
  setService('a-b-c', 'uid-1', '192.0.2.1')
  expect(bindings.get(first.key)?.addresses).toHaveLength(1)
  expect(bindings.get(second.key)?.addresses).toEqual([])
  setService('a-b-c', 'uid-2', '192.0.2.2')
  expect(bindings.get(first.key)?.addresses).toEqual([])
  expect(bindings.get(second.key)?.addresses).toHaveLength(1)
})

test('problems are part of the binding while they last', () => {
  const problem = { on: 'Programmed', reason: 'Invalid', message: 'no' }
  setFleet(testFleet)
  scheduler.batch(() => problems.set(testFleet.key, [problem]))
  expect(bindings.get(testFleet.key)?.problems).toEqual([problem])
  scheduler.batch(() => problems.delete(testFleet.key))
  expect(bindings.get(testFleet.key)).not.toHaveProperty('problems')
})
