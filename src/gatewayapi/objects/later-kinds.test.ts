import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { BackendTLSPolicy } from './backend-tls-policy.ts'
import { GRPCRoute } from './grpc-route.ts'
import { ListenerSet } from './listener-set.ts'
import { TCPRoute, TLSRoute, UDPRoute } from './stream-route.ts'

/** Schemas of kinds that no provider reads yet: they are not in the table of kinds. */
function check(schema: z.ZodType, kind: string, spec: object, version = 'v1') {
  const result = schema.safeParse({
    apiVersion: `gateway.networking.k8s.io/${version}`,
    kind,
    metadata: { name: 'x' },
    spec,
  })
  return {
    object: result.data as { apiVersion: string; spec: Record<string, unknown> } | undefined,
    messages: (result.error?.issues ?? []).map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'),
  }
}

const many = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, index) => make(index))
const backend = { name: 'a', port: 80 }

describe('a GRPCRoute', () => {
  const rule = (fields: object) => ({ rules: [fields] })
  const method = (fields: object) => rule({ matches: [{ method: fields }] })

  test.each<[string, object]>([
    ['nothing', {}],
    ['a service and a method', method({ service: 'shop.v1.Cart', method: 'Add' })],
    ['a pattern', method({ type: 'RegularExpression', service: 'a.*+' })],
    ['a rule without matches', rule({ backendRefs: [backend] })],
    ['filters', rule({ filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { remove: ['a'] } }] })],
  ])('is accepted with %s', (_, spec) => {
    expect(check(GRPCRoute, 'GRPCRoute', spec).messages).toBe('')
  })

  test.each<[object, string]>([
    [method({}), 'matches.0.method: is empty: add service or method'],
    [method({ service: 'a b' }), 'method.service: "a b" is not a gRPC service'],
    [method({ method: '1a' }), 'method.method: "1a" is not a gRPC method'],
    [rule({ filters: [{ type: 'URLRewrite', urlRewrite: {} }] }), 'rules.0.filters.0.type'],
    [rule({ matches: many(65, () => ({})) }), 'has 65 items'],
    [{ rules: many(3, () => ({ matches: many(50, () => ({})) })) }, 'has 150 matches in all'],
    [{ rules: [{ name: 'a' }, { name: 'a' }] }, '"a" is the name of item 0 already'],
    [rule({ backendRefs: [{ name: 'a' }] }), 'port: is required for a Service'],
  ])('is refused (%#)', (spec, message) => {
    expect(check(GRPCRoute, 'GRPCRoute', spec).messages).toContain(message)
  })
})

describe('TCPRoute, UDPRoute and TLSRoute', () => {
  const rules = [{ backendRefs: [backend, { ...backend, weight: 0 }] }]

  test('are accepted in their versions', () => {
    expect(check(TCPRoute, 'TCPRoute', { rules }, 'v1alpha2').object?.apiVersion).toBe('gateway.networking.k8s.io/v1')
    expect(check(UDPRoute, 'UDPRoute', { rules }).messages).toBe('')
    expect(check(TLSRoute, 'TLSRoute', { rules, hostnames: ['*.a.com'] }, 'v1alpha3').messages).toBe('')
  })

  test.each<[z.ZodType, string, object, string]>([
    [TCPRoute, 'TCPRoute', { rules: [] }, 'rules: must have at least one item'],
    [TCPRoute, 'TCPRoute', { rules: many(17, () => rules[0]) }, 'rules: has 17 items: use at most 16'],
    [UDPRoute, 'UDPRoute', { rules: [{ backendRefs: [] }] }, 'backendRefs: must have at least one item'],
    [TLSRoute, 'TLSRoute', { rules, hostnames: [] }, 'hostnames: must have at least one item'],
    [TLSRoute, 'TLSRoute', { rules, hostnames: ['1.2.3.4'] }, '"1.2.3.4" is an IP address'],
    [TLSRoute, 'TLSRoute', { rules, hostnames: many(1025, (i) => `h${i}`) }, 'has 1025 items: use at most 1024'],
  ])('are refused (%#)', (schema, kind, spec, message) => {
    expect(check(schema, kind, spec).messages).toContain(message)
  })
})

test('a ListenerSet has a parent and listeners by the rules of Gateways', () => {
  const listener = { name: 'a', port: 80, protocol: 'HTTP' }
  const { object } = check(ListenerSet, 'ListenerSet', { parentRef: { name: 'gw' }, listeners: [listener] })
  expect(object?.spec['parentRef']).toEqual({ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gw' })
  const twice = { parentRef: { name: 'gw' }, listeners: [listener, listener] }
  expect(check(ListenerSet, 'ListenerSet', twice).messages).toContain('"a" is the name of item 0 already')
})

describe('a BackendTLSPolicy', () => {
  const target = { group: '', kind: 'Service', name: 'a' }
  const validation = { hostname: 'a.com', wellKnownCACertificates: 'System' }
  const ca = { group: '', kind: 'ConfigMap', name: 'ca' }
  const names = (...list: object[]) => ({ targetRefs: [target], validation: { ...validation, subjectAltNames: list } })

  test.each<[string, object]>([
    ['the system authorities', { targetRefs: [target], validation }],
    ['its own authorities', { targetRefs: [target], validation: { hostname: 'a.com', caCertificateRefs: [ca] } }],
    [
      'two sections',
      {
        targetRefs: [
          { ...target, sectionName: 'a' },
          { ...target, sectionName: 'b' },
        ],
        validation,
      },
    ],
    ['other names', names({ type: 'URI', uri: 'spiffe://a/b' }, { type: 'Hostname', hostname: '*.a.com' })],
  ])('is accepted with %s', (_, spec) => {
    expect(check(BackendTLSPolicy, 'BackendTLSPolicy', spec).messages).toBe('')
  })

  test.each<[object, string]>([
    [{ targetRefs: [], validation }, 'targetRefs: must have at least one item'],
    [{ targetRefs: [target, target], validation }, 'targetRefs.1: Service "a" is targeted already'],
    [{ targetRefs: [target, { ...target, sectionName: 'b' }], validation }, 'is targeted more than once'],
    [{ targetRefs: [target], validation: { hostname: 'a.com' } }, 'validation.caCertificateRefs: is required'],
    [
      { targetRefs: [target], validation: { ...validation, caCertificateRefs: [ca] } },
      'is not allowed together with caCertificateRefs',
    ],
    [{ targetRefs: [target], validation: { ...validation, hostname: '*.a.com' } }, '"*.a.com" is not a hostname'],
    [
      { targetRefs: [target], validation: { ...validation, wellKnownCACertificates: 'Mine' } },
      '"Mine" is not a set of certificates',
    ],
    [names({ type: 'URI' }), 'subjectAltNames.0.uri: is required when type is URI'],
    [names({ type: 'URI', uri: 'spiffe://a', hostname: 'a' }), 'hostname: is not allowed when type is URI'],
    [names({ type: 'URI', uri: 'mailto:a' }), '"mailto:a" is not an absolute URI'],
  ])('is refused (%#)', (spec, message) => {
    expect(check(BackendTLSPolicy, 'BackendTLSPolicy', spec).messages).toContain(message)
  })
})
