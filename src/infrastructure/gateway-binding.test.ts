import { describe, expect, test } from 'vitest'
import type { Service } from '../gatewayapi/objects/service.ts'
import type { GatewayBinding } from '../graph/gateway-binding.ts'
import type { Problem } from '../graph/problem.ts'
import { parseObjects } from '../testing/builders.ts'
import { testFleet } from '../testing/pod-envoy.ts'
import { listAddressRequests } from './address-request.ts'
import { deriveGatewayBinding } from './gateway-binding.ts'
import { chooseListenAddress } from './infrastructure-options.ts'
import type { ProxyFleet } from './proxy-fleet.ts'
import { planServices, readLiveService } from './service-plan.ts'

const service = (spec: string, ingress = '[]') =>
  parseObjects(`
apiVersion: v1
kind: Service
metadata: {name: edge-gatewright, namespace: shop}
spec: ${spec}
status: {loadBalancer: {ingress: ${ingress}}}
`)[0] as Service

const options = { listenAddress: '0.0.0.0' } as const

function bind(live?: Service, more: Partial<ProxyFleet> = {}, problems: readonly Problem[] = []): GatewayBinding {
  const fleet = { ...testFleet, ...more }
  const services = live ? [readLiveService(live)] : []
  return deriveGatewayBinding(fleet, { plans: planServices(fleet, services), live: services }, options, problems)
}

const addresses = (live: Service, requested: readonly string[] = [], more: Partial<ProxyFleet> = {}) =>
  bind(live, {
    addresses: listAddressRequests(requested.map((value) => ({ type: 'IPAddress', value }))),
    ...more,
  }).addresses.map(({ type, value, routability }) => [type, value, routability].join(' ').trim())
const inside: Partial<ProxyFleet> = { parameters: { serviceType: 'ClusterIP' } }

describe('the binding of a Gateway', () => {
  test('says which ports are bound before there is a Service or an address', () => {
    const binding = bind(undefined, { ports: [80, 8080] })
    expect(binding).toEqual({ listenAddress: '0.0.0.0', ports: { 80: 10080 }, addresses: [], portProblems: {} })
    const pending = service('{type: LoadBalancer, clusterIP: 10.0.0.7}')
    expect(bind(pending, { ports: [80, 8080] })).toEqual({
      ...binding,
      assignment: { assigned: 0, missing: [{ message: 'no address has been assigned yet', isStatic: false }] },
    })
  })

  test('passes on why there are no proxies', () => {
    const problem = { on: 'Programmed', reason: 'Invalid', message: 'no' }
    expect(bind(undefined, {}, [problem]).problems).toEqual([problem])
  })

  test('has the addresses of the load balancer, IPs and names', () => {
    const ingress = '[{ip: 192.0.2.1, ipMode: VIP, ports: []}, {ip: "2001:db8::1"}, {hostname: lb.example.com}]'
    const live = service('{type: LoadBalancer, clusterIPs: [10.0.0.7]}', ingress)
    expect(addresses(live)).toEqual(['IPAddress 192.0.2.1', 'IPAddress 2001:db8::1', 'Hostname lb.example.com'])
  })

  test('has the requested addresses alone, however they are written, and none of others', () => {
    const live = service('{type: LoadBalancer}', '[{ip: 192.0.2.1}, {ip: "2001:db8::1"}]')
    expect(addresses(live, ['192.0.2.1'])).toEqual(['IPAddress 192.0.2.1'])
    expect(addresses(live, ['2001:DB8:0::1', '192.0.2.1'])).toEqual(['IPAddress 2001:DB8:0::1', 'IPAddress 192.0.2.1'])
    expect(addresses(live, [''])).toEqual(['IPAddress 192.0.2.1'])
    expect(addresses(service('{type: LoadBalancer}', '[{hostname: lb.example.com}]'), [''])).toEqual([])
  })

  test('has what is there when the Gateway is not accepted any more, and says nothing of the new requests', () => {
    const live = service('{type: LoadBalancer, clusterIPs: [10.0.0.7]}', '[{ip: 192.0.2.1}]')
    expect(addresses(live, ['192.0.2.9'], { isHeld: true })).toEqual(['IPAddress 192.0.2.1'])
    expect(bind(live, { isHeld: true })).not.toHaveProperty('assignment')
  })

  test('has the addresses inside the cluster of a Service that has no others', () => {
    expect(addresses(service('{type: ClusterIP, clusterIPs: [10.0.0.7, "fd00::7"]}'), [], inside)).toEqual([
      'IPAddress 10.0.0.7 Cluster',
      'IPAddress fd00::7 Cluster',
    ])
    const nodePort = { parameters: { serviceType: 'NodePort' } } as const
    expect(addresses(service('{type: NodePort, clusterIP: 10.0.0.7, externalIPs: [192.0.2.5]}'), [], nodePort)).toEqual(
      ['IPAddress 10.0.0.7 Cluster', 'IPAddress 192.0.2.5'],
    )
    expect(addresses(service('{clusterIP: None}'), [], inside)).toEqual([])
  })

  test('has them also while nobody can read the parameters', () => {
    const live = service('{type: ClusterIP, clusterIPs: [10.0.0.7]}')
    expect(addresses(live, [], { parameters: undefined })).toEqual(['IPAddress 10.0.0.7 Cluster'])
  })

  test('has no more addresses than a status may hold', () => {
    const ingress = JSON.stringify(Array.from({ length: 20 }, (_, i) => ({ ip: `192.0.2.${i}` })))
    expect(addresses(service('{type: LoadBalancer}', ingress))).toHaveLength(16)
  })
})

test('a Service whose status nobody understands is a Service without addresses', () => {
  const [live] = parseObjects(`
apiVersion: v1
kind: Service
metadata: {name: odd}
spec: {type: LoadBalancer}
status: {loadBalancer: [1, 2]}
`)
  expect(addresses(live as Service)).toEqual([])
})

test('both families are bound where the control plane itself has both', () => {
  expect(chooseListenAddress('')).toBe('0.0.0.0')
  expect(chooseListenAddress('10.1.2.3')).toBe('0.0.0.0')
  expect(chooseListenAddress('10.1.2.3,fd00::3')).toBe('::')
  expect(chooseListenAddress('fd00::3')).toBe('::')
})
