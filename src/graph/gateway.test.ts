import { describe, expect, test } from 'vitest'
import { GraphFixture, gatewayClassYaml, gatewayYaml } from '../testing/builders.ts'

const web = '[{name: web, port: 80, protocol: HTTP}]'
const edge = (spec: string, listeners = web) => gatewayYaml('shop/edge', listeners, { spec })
const configMapYaml = (data: string, namespace = 'shop') => `
apiVersion: v1
kind: ConfigMap
metadata: {name: look, namespace: ${namespace}}
data: ${data}
---
`

describe('a Gateway', () => {
  test("of a class that does not exist is nobody's, until the class comes", () => {
    const fixture = new GraphFixture(edge(''))
    expect(fixture.graph.gateways.size).toBe(0)
    fixture.apply(gatewayClassYaml)
    expect(fixture.gateway('shop/edge').problems).toEqual([])
    fixture.remove('GatewayClass', 'gatewright')
    expect(fixture.graph.gateways.size).toBe(0)
    expect(fixture.statuses.gateways.size).toBe(0)
  })

  test('keeps its listeners in the order in which they are written', () => {
    const fixture = new GraphFixture(
      gatewayClassYaml + edge('', '[{name: z, port: 81, protocol: HTTP}, {name: a, port: 80, protocol: HTTP}]'),
    )
    expect(fixture.gateway('shop/edge').listeners.map((l) => [l.name, l.index])).toEqual([
      ['z', 0],
      ['a', 1],
    ])
  })

  test('has its listeners as nodes of their own, which go when it loses them', () => {
    const fixture = new GraphFixture(
      gatewayClassYaml + edge('', '[{name: a, port: 80, protocol: HTTP}, {name: b, port: 81, protocol: HTTP}]'),
    )
    expect(fixture.graph.listenersByGateway.lookup('shop/edge' as never).map((l) => l.name)).toEqual(['a', 'b'])
    fixture.apply(edge('', '[{name: b, port: 81, protocol: HTTP}]'))
    expect(fixture.graph.listenersByGateway.lookup('shop/edge' as never).map((l) => l.name)).toEqual(['b'])
    expect(fixture.listener('shop/edge/b').index).toBe(0)
  })
})

describe('spec.infrastructure.parametersRef', () => {
  const parameters = '  infrastructure: {parametersRef: {group: "", kind: ConfigMap, name: look}}'

  test('wins over the profile of the class', () => {
    const fixture = new GraphFixture(gatewayClassYaml + edge(parameters) + configMapYaml('{headers: verbose}'))
    expect(fixture.gateway('shop/edge')).toMatchObject({ profile: { headers: 'verbose' }, problems: [] })
  })

  test('names a ConfigMap of the own namespace only', () => {
    const fixture = new GraphFixture(gatewayClassYaml + edge(parameters) + configMapYaml('{headers: verbose}', 'other'))
    expect(fixture.gateway('shop/edge').problems).toEqual([
      {
        on: 'Accepted',
        reason: 'InvalidParameters',
        message: 'ConfigMap "shop/look" not found',
        path: 'spec.infrastructure.parametersRef',
      },
    ])
  })

  test('of an unknown kind is reported', () => {
    const other = '  infrastructure: {parametersRef: {group: example.com, kind: Size, name: big}}'
    expect(new GraphFixture(gatewayClassYaml + edge(other)).gateway('shop/edge').problems).toMatchObject([
      { reason: 'InvalidParameters', message: 'parametersRef names a Size of group example.com: use a ConfigMap' },
    ])
  })
})

describe('spec.addresses', () => {
  test('may be IP addresses and hostnames', () => {
    const fixture = new GraphFixture(
      gatewayClassYaml + edge('  addresses: [{value: 127.0.0.5}, {type: Hostname, value: shop.example.com}]'),
    )
    expect(fixture.gateway('shop/edge').problems).toEqual([])
  })

  test('of another type are reported by position', () => {
    const fixture = new GraphFixture(
      gatewayClassYaml + edge('  addresses: [{value: 127.0.0.5}, {type: NamedAddress, value: blue}]'),
    )
    expect(fixture.gateway('shop/edge').problems).toEqual([
      {
        on: 'Accepted',
        reason: 'UnsupportedAddress',
        message: 'address type NamedAddress is not supported: use IPAddress or Hostname',
        path: 'spec.addresses[1].type',
      },
    ])
  })
})
