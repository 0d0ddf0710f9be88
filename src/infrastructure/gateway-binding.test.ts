import { describe, expect, test } from 'vitest'
import type { Service } from '../gatewayapi/objects/service.ts'
import { parseObjects } from '../testing/builders.ts'
import { testFleet } from '../testing/pod-envoy.ts'
import { deriveGatewayBinding } from './gateway-binding.ts'
import { chooseListenAddress } from './infrastructure-options.ts'

const service = (spec: string, ingress = '[]') =>
  parseObjects(`
apiVersion: v1
kind: Service
metadata: {name: edge-gatewright, namespace: shop}
spec: ${spec}
status: {loadBalancer: {ingress: ${ingress}}}
`)[0] as Service

const options = { listenAddress: '0.0.0.0' } as const
/** "type value", with a "!" behind those inside of the cluster. */
const addresses = (live: Service | undefined) =>
  deriveGatewayBinding(testFleet, live, options).addresses.map(
    (a) => `${a.type} ${a.value}${a.routability === 'Cluster' ? '!' : ''}`,
  )

describe('the binding of a Gateway', () => {
  test('says which ports are bound before there is a Service or an address', () => {
    const binding = deriveGatewayBinding({ ...testFleet, ports: [80, 8080] }, undefined, options)
    expect(binding).toEqual({ listenAddress: '0.0.0.0', ports: { 80: 10080 }, addresses: [], portProblems: {} })
    const pending = service('{type: LoadBalancer}')
    expect(deriveGatewayBinding({ ...testFleet, ports: [80, 8080] }, pending, options)).toEqual(binding)
  })

  test('passes on why there are no proxies', () => {
    const problem = { on: 'Programmed', reason: 'Invalid', message: 'no' }
    expect(deriveGatewayBinding(testFleet, undefined, options, [problem]).problems).toEqual([problem])
  })

  test('has the addresses of the load balancer, IPs and names', () => {
    const ingress = '[{ip: 192.0.2.1, ipMode: VIP, ports: []}, {ip: "2001:db8::1"}, {hostname: lb.example.com}]'
    const live = service('{type: LoadBalancer, clusterIPs: [10.0.0.7]}', ingress)
    expect(addresses(live)).toEqual([
      'IPAddress 192.0.2.1',
      'IPAddress 2001:db8::1',
      'Hostname lb.example.com',
      'IPAddress 10.0.0.7!',
    ])
    expect(deriveGatewayBinding(testFleet, live, options)).not.toHaveProperty('defaultRoutability')
  })

  test('has the addresses inside the cluster of a Service that has no others', () => {
    expect(addresses(service('{type: ClusterIP, clusterIPs: [10.0.0.7, "fd00::7"]}'))).toEqual([
      'IPAddress 10.0.0.7!',
      'IPAddress fd00::7!',
    ])
    expect(addresses(service('{type: NodePort, clusterIP: 10.0.0.7, externalIPs: [192.0.2.5]}'))).toEqual([
      'IPAddress 192.0.2.5',
      'IPAddress 10.0.0.7!',
    ])
    const usual = (spec: string) => deriveGatewayBinding(testFleet, service(spec), options).defaultRoutability
    expect(usual('{type: ClusterIP, clusterIP: 10.0.0.7}')).toBe('Cluster')
    expect(usual('{type: NodePort, clusterIP: 10.0.0.7, externalIPs: [192.0.2.5]}')).toBeUndefined()
    expect(addresses(service('{clusterIP: None}'))).toEqual([])
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
