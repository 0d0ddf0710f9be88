import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EndpointSlice } from '../gatewayapi/objects/endpoint-slice.ts'
import { type BackendNode, backendKey, type EndpointSource } from '../graph/backend.ts'
import { parseObjects } from '../testing/builders.ts'
import { typeUrls } from '../xds/resource.ts'
import { buildClusterLoadAssignment } from './cluster-load-assignment.ts'
import { renderResource } from './proto-json.ts'

const target = { group: '', kind: 'Service', namespace: 'shop', name: 'web', port: 80 }

function backend(endpoints: EndpointSource): BackendNode {
  return { key: backendKey(target), target, state: 'resolved', protocol: 'http1', webSocket: false, endpoints }
}

interface Slice {
  readonly name?: string
  readonly addressType?: string
  readonly ports?: string
  readonly endpoints: string
}

function slices(...texts: readonly Slice[]): EndpointSlice[] {
  return parseObjects(
    texts
      .map(
        ({ name = 'a', addressType = 'IPv4', ports = '[{name: http, port: 8080}]', endpoints }) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}, labels: {kubernetes.io/service-name: web}}
addressType: ${addressType}
ports: ${ports}
endpoints: ${endpoints}
---`,
      )
      .join('\n'),
  ) as EndpointSlice[]
}

/** Addresses as Envoy gets them. */
function addresses(source: EndpointSource, list: readonly EndpointSlice[] = []): string[] {
  const bytes = buildClusterLoadAssignment(backend(source), list)
  const assignment = renderResource({ typeUrl: typeUrls.endpoint, bytes }) as {
    cluster_name: string
    endpoints?: { lb_endpoints: { endpoint: { address: Record<string, Record<string, unknown>> } }[] }[]
  }
  expect(assignment.cluster_name).toBe('Service/shop/web/80/http1')
  return (assignment.endpoints ?? []).flatMap((locality) =>
    locality.lb_endpoints.map(({ endpoint: { address } }) => {
      const { socket_address: socket, pipe } = address
      return pipe ? String(pipe['path']) : `${socket?.['address']} ${socket?.['port_value']}`
    }),
  )
}

const http: EndpointSource = { type: 'endpoint-slices', service: 'cart', portName: 'http' }

describe('a ClusterLoadAssignment', () => {
  it('lists the ready endpoints of all slices, sorted, each once', () => {
    const list = slices(
      { endpoints: '[{addresses: [10.0.0.9]}, {addresses: [10.0.0.10]}]' },
      { name: 'b', endpoints: '[{addresses: [10.0.0.9]}, {addresses: [10.0.0.1]}]' },
    )
    expect(addresses(http, list)).toEqual(['10.0.0.1 8080', '10.0.0.10 8080', '10.0.0.9 8080'])
  })

  it('takes the port by the name of the port of the Service, slice by slice', () => {
    const list = slices(
      { ports: '[{name: admin, port: 9}, {name: http, port: 8080}]', endpoints: '[{addresses: [10.0.0.1]}]' },
      { name: 'b', ports: '[{name: http, port: 8081}]', endpoints: '[{addresses: [10.0.0.2]}]' },
      { name: 'c', ports: '[{name: other, port: 1}]', endpoints: '[{addresses: [10.0.0.3]}]' },
      { name: 'd', ports: '[{name: http, port: 53, protocol: UDP}]', endpoints: '[{addresses: [10.0.0.4]}]' },
    )
    expect(addresses(http, list)).toEqual(['10.0.0.1 8080', '10.0.0.2 8081'])
  })

  it('takes the only port of a Service, which has no name', () => {
    const list = slices({ ports: '[{port: 8080}]', endpoints: '[{addresses: [10.0.0.1]}]' })
    expect(addresses({ type: 'endpoint-slices', service: 'cart', portName: '' }, list)).toEqual(['10.0.0.1 8080'])
  })

  it('leaves out what is not ready, and counts an endpoint without conditions as ready', () => {
    const list = slices({
      endpoints: `
        - {addresses: [10.0.0.1], conditions: {ready: false}}
        - {addresses: [10.0.0.2], conditions: {ready: false, serving: true, terminating: true}}
        - {addresses: [10.0.0.3]}
        - {addresses: [10.0.0.4], conditions: {ready: true, serving: true, terminating: true}}`,
    })
    expect(addresses(http, list)).toEqual(['10.0.0.3 8080', '10.0.0.4 8080'])
  })

  it('falls back to endpoints that are terminating and still serve when none is ready', () => {
    const list = slices({
      endpoints: `
        - {addresses: [10.0.0.1], conditions: {ready: false}}
        - {addresses: [10.0.0.2], conditions: {ready: false, serving: true, terminating: true}}
        - {addresses: [10.0.0.3], conditions: {ready: false, serving: false, terminating: true}}`,
    })
    expect(addresses(http, list)).toEqual(['10.0.0.2 8080'])
  })

  it('lists a pod of a dual-stack Service once, by its IPv4 address', () => {
    const list = slices(
      { endpoints: '[{addresses: [10.0.0.1]}]' },
      { name: 'b', addressType: 'IPv6', endpoints: '[{addresses: ["fd00::1"]}]' },
    )
    expect(addresses(http, list)).toEqual(['10.0.0.1 8080'])
    expect(addresses(http, list.slice(1))).toEqual(['fd00::1 8080'])
  })

  it('leaves out slices of names, which EDS cannot carry', () => {
    expect(addresses(http, slices({ addressType: 'FQDN', endpoints: '[{addresses: [a.test]}]' }))).toEqual([])
  })

  it('is there, empty, when nothing is: Envoy then answers 503 at once', () => {
    expect(addresses(http)).toEqual([])
    expect(addresses(http, slices({ endpoints: 'null' }))).toEqual([])
  })

  it('has the same bytes in whatever order slices and endpoints come', () => {
    const list = slices(
      { endpoints: '[{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}, {addresses: [10.0.0.3]}]' },
      { name: 'b', endpoints: '[{addresses: [10.0.0.4]}, {addresses: [10.0.0.1]}]' },
    )
    const expected = buildClusterLoadAssignment(backend(http), list)
    const shuffled = fc
      .shuffledSubarray(list, { minLength: list.length })
      .chain((chosen) =>
        fc.tuple(
          ...chosen.map((slice) =>
            fc
              .shuffledSubarray([...slice.endpoints], { minLength: slice.endpoints.length })
              .map((endpoints) => ({ ...slice, endpoints })),
          ),
        ),
      )
    fc.assert(
      fc.property(shuffled, (chosen) => {
        expect(buildClusterLoadAssignment(backend(http), chosen)).toEqual(expected)
      }),
    )
  })

  it('lists the addresses and sockets of a Backend as written, each once', () => {
    const endpoints = [
      { type: 'ip', address: '10.0.0.2', port: 80 },
      { type: 'unix', path: '/run/a.sock' },
      { type: 'ip', address: '10.0.0.1', port: 80 },
      { type: 'ip', address: '10.0.0.2', port: 80 },
      { type: 'unix', path: '/run/a.sock' },
    ] as const
    expect(addresses({ type: 'static', endpoints })).toEqual(['10.0.0.2 80', '/run/a.sock', '10.0.0.1 80'])
  })

  it('leaves out an endpoint for which Envoy would refuse all of them', () => {
    const endpoints = [
      { type: 'ip', address: 'fe80::1%eth0', port: 80 },
      { type: 'unix', path: `/${'a'.repeat(107)}` },
      { type: 'unix', path: '/run/a\0b' },
      { type: 'unix', path: '/run/\ud800' },
      { type: 'ip', address: '10.0.0.1', port: 80 },
    ] as const
    expect(addresses({ type: 'static', endpoints })).toEqual(['10.0.0.1 80'])
  })
})
