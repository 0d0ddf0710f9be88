import { beforeAll, describe, expect, test } from 'vitest'
import type { Problem } from '../graph/problem.ts'
import {
  findCondition,
  GraphFixture,
  gatewayClassYaml,
  gatewayYaml,
  httpRouteYaml,
  summarize,
  tlsSecretYaml,
} from '../testing/builders.ts'
import { type IssuedCertificate, issueCertificate } from '../testing/certificates.ts'

const web = '[{name: web, port: 80, protocol: HTTP}]'
const edge = (listeners: string, options = {}) => gatewayClassYaml + gatewayYaml('shop/edge', listeners, options)
const all = ['Accepted=True Accepted', 'Conflicted=False NoConflicts', 'ResolvedRefs=True ResolvedRefs']

let cert: IssuedCertificate
beforeAll(() => {
  cert = issueCertificate({ dnsNames: ['shop.example.com'] })
})

describe('Programmed', () => {
  test('is True for a listener whose port Envoy has accepted, and for the Gateway with it', () => {
    const fixture = new GraphFixture(edge(web)).bind('shop/edge').program('shop/edge', 80, 'programmed')
    expect(summarize(fixture.gatewayStatus('shop/edge').conditions)).toEqual([
      'Accepted=True Accepted',
      'Programmed=True Programmed',
      'ResolvedRefs=True ResolvedRefs',
    ])
    expect(summarize(fixture.listenerStatus('shop/edge/web').conditions)).toEqual([
      ...all,
      'Programmed=True Programmed',
    ])
    expect(fixture.gatewayStatus('shop/edge').addresses).toEqual([
      { type: 'IPAddress', value: '127.0.0.1', routability: '' },
    ])
  })

  test('is Pending while Envoy has not answered, with its words', () => {
    const fixture = new GraphFixture(edge(web)).bind('shop/edge').program('shop/edge', 80, 'pending', 'sent to 1 proxy')
    expect(findCondition(fixture.listenerStatus('shop/edge/web').conditions, 'Programmed')).toMatchObject({
      status: 'False',
      reason: 'Pending',
      message: 'spec.listeners[0]: sent to 1 proxy',
    })
    expect(findCondition(fixture.gatewayStatus('shop/edge').conditions, 'Programmed')).toMatchObject({
      status: 'False',
      reason: 'Pending',
    })
  })

  test('is Pending before anything is known of the port', () => {
    const fixture = new GraphFixture(edge(web)).bind('shop/edge')
    expect(findCondition(fixture.listenerStatus('shop/edge/web').conditions, 'Programmed').reason).toBe('Pending')
  })

  test('is Invalid when Envoy has rejected it, with its words', () => {
    const fixture = new GraphFixture(edge(web))
      .bind('shop/edge')
      .program('shop/edge', 80, 'rejected', 'Envoy: bad thing')
    for (const conditions of [
      fixture.listenerStatus('shop/edge/web').conditions,
      fixture.gatewayStatus('shop/edge').conditions,
    ]) {
      const condition = findCondition(conditions, 'Programmed')
      expect(condition).toMatchObject({ status: 'False', reason: 'Invalid' })
      expect(condition.message).toContain('Envoy: bad thing')
    }
  })

  test('is Unknown where no proxy can be asked', () => {
    const fixture = new GraphFixture(edge(web))
      .bind('shop/edge', { addresses: [] })
      .program('shop/edge', 80, 'unknown', 'offline')
    for (const conditions of [
      fixture.listenerStatus('shop/edge/web').conditions,
      fixture.gatewayStatus('shop/edge').conditions,
    ])
      expect(findCondition(conditions, 'Programmed')).toMatchObject({ status: 'Unknown', reason: 'Pending' })
  })

  test('is AddressNotAssigned while the listeners serve already', () => {
    const fixture = new GraphFixture(edge(web))
      .bind('shop/edge', { addresses: [] })
      .program('shop/edge', 80, 'programmed')
    expect(findCondition(fixture.listenerStatus('shop/edge/web').conditions, 'Programmed').status).toBe('True')
    expect(findCondition(fixture.gatewayStatus('shop/edge').conditions, 'Programmed')).toMatchObject({
      status: 'False',
      reason: 'AddressNotAssigned',
    })
    expect(fixture.gatewayStatus('shop/edge').addresses).toEqual([])
  })

  test('waits for every listener that can serve', () => {
    const two = '[{name: web, port: 80, protocol: HTTP}, {name: alt, port: 8080, protocol: HTTP}]'
    const fixture = new GraphFixture(edge(two)).bind('shop/edge').program('shop/edge', 80, 'programmed')
    expect(findCondition(fixture.gatewayStatus('shop/edge').conditions, 'Programmed')).toMatchObject({
      status: 'False',
      reason: 'Pending',
      message: 'waiting for listeners "alt"',
    })
    fixture.program('shop/edge', 8080, 'programmed')
    expect(findCondition(fixture.gatewayStatus('shop/edge').conditions, 'Programmed').status).toBe('True')
  })

  test('does not wait for one that never can', () => {
    const two =
      '[{name: web, port: 80, protocol: HTTP}, {name: tls, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: gone}]}}]'
    const fixture = new GraphFixture(edge(two)).bind('shop/edge').program('shop/edge', 80, 'programmed')
    expect(findCondition(fixture.gatewayStatus('shop/edge').conditions, 'Programmed').status).toBe('True')
    expect(findCondition(fixture.listenerStatus('shop/edge/tls').conditions, 'Programmed')).toMatchObject({
      status: 'False',
      reason: 'Invalid',
    })
  })

  test('follows the port that two listeners share', () => {
    const two = '[{name: a, port: 80, protocol: HTTP, hostname: a.example.com}, {name: b, port: 80, protocol: HTTP}]'
    const fixture = new GraphFixture(edge(two)).bind('shop/edge').program('shop/edge', 80, 'programmed')
    for (const name of ['a', 'b'])
      expect(findCondition(fixture.listenerStatus(`shop/edge/${name}`).conditions, 'Programmed').status).toBe('True')
  })

  test("does not follow another Gateway's port", () => {
    const fixture = new GraphFixture(edge(web) + gatewayYaml('shop/inner', web)).bind('shop/edge').bind('shop/inner')
    fixture.program('shop/inner', 80, 'programmed')
    expect(findCondition(fixture.gatewayStatus('shop/inner').conditions, 'Programmed').status).toBe('True')
    expect(findCondition(fixture.gatewayStatus('shop/edge').conditions, 'Programmed').status).toBe('False')
  })
})

describe('AddressesAssigned', () => {
  const address = { type: 'IPAddress', value: '192.0.2.1' }
  const gone = { path: 'spec.addresses[0]', message: 'nobody has 203.0.113.7', isStatic: true }
  const any = { path: 'spec.addresses[1]', message: 'no address yet', isStatic: false }
  const conditions = (binding: Parameters<GraphFixture['bind']>[1]) =>
    new GraphFixture(edge(web))
      .bind('shop/edge', binding)
      .program('shop/edge', 80, 'programmed')
      .gatewayStatus('shop/edge').conditions
  const told = (binding: Parameters<GraphFixture['bind']>[1]) =>
    conditions(binding)
      .filter(({ type }) => type === 'Programmed' || type === 'AddressesAssigned')
      .map(({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`)
  const programmed = 'Programmed=True Programmed: Envoy has accepted the current configuration'

  test('is left out before anybody has seen to the addresses', () => {
    expect(told({})).toEqual([programmed])
  })

  test('is True when all that were asked for are there', () => {
    expect(told({ assignment: { assigned: 1, missing: [] } })).toEqual([
      programmed,
      'AddressesAssigned=True AddressesAssigned: The Gateway has all of its addresses',
    ])
  })

  test('names those that are missing; a certain one keeps the Gateway from being programmed, any one does not', () => {
    expect(told({ addresses: [address], assignment: { assigned: 1, missing: [gone] } })).toEqual([
      'Programmed=False AddressNotUsable: spec.addresses[0]: nobody has 203.0.113.7',
      'AddressesAssigned=False PartiallyAssigned: spec.addresses[0]: nobody has 203.0.113.7',
    ])
    expect(told({ addresses: [address], assignment: { assigned: 1, missing: [any] } })).toEqual([
      programmed,
      'AddressesAssigned=False PartiallyAssigned: spec.addresses[1]: no address yet',
    ])
    expect(told({ addresses: [address], assignment: { assigned: 1, missing: [gone, any] } })[1]).toBe(
      'AddressesAssigned=False PartiallyAssigned: spec.addresses[0]: nobody has 203.0.113.7; spec.addresses[1]: no address yet',
    )
  })

  test('says that there is none, and so does Programmed', () => {
    expect(told({ addresses: [], assignment: { assigned: 0, missing: [gone] } })).toEqual([
      'Programmed=False AddressNotAssigned: spec.addresses[0]: nobody has 203.0.113.7',
      'AddressesAssigned=False NotAssigned: spec.addresses[0]: nobody has 203.0.113.7',
    ])
    const missing = [{ message: 'no address has been assigned yet', isStatic: false }]
    expect(told({ addresses: [], assignment: { assigned: 0, missing } })).toEqual([
      'Programmed=False AddressNotAssigned: no address has been assigned yet',
      'AddressesAssigned=False NotAssigned: no address has been assigned yet',
    ])
  })

  test('does not count addresses of an earlier spec, at which the Gateway still serves', () => {
    expect(told({ addresses: [address], assignment: { assigned: 0, missing: [any] } })).toEqual([
      programmed,
      'AddressesAssigned=False NotAssigned: spec.addresses[1]: no address yet',
    ])
    expect(told({ addresses: [address], assignment: { assigned: 0, missing: [gone] } })[0]).toContain(
      'AddressNotUsable',
    )
  })
})

test('What is missing beside the traffic has a condition of its own, which is there only then', () => {
  const type = 'gatewright.dev/InfrastructureComplete'
  const missing = { on: type, reason: 'NotApplied', message: 'there is no right to make it' }
  const told = (problems: readonly Problem[]) =>
    new GraphFixture(edge(web))
      .bind('shop/edge', { problems })
      .program('shop/edge', 80, 'programmed')
      .gatewayStatus('shop/edge')
      .conditions.map((condition) => `${condition.type}=${condition.status} ${condition.reason}`)
  const rest = ['Accepted=True Accepted', 'Programmed=True Programmed', 'ResolvedRefs=True ResolvedRefs']
  expect(told([])).toEqual(rest)
  expect(told([missing])).toEqual([...rest, `${type}=False NotApplied`])
})

describe('routability of an address', () => {
  const addresses = [{ type: 'IPAddress', value: '10.96.0.7', routability: 'Cluster' }]
  const told = (version?: string, channel?: string) => {
    const fixture = new GraphFixture(edge(web)).bind('shop/edge', { addresses })
    if (version !== undefined) fixture.scheduler.batch(() => fixture.bundle.set('installed', { version, channel }))
    return fixture.gatewayStatus('shop/edge').addresses
  }

  test('is told where the CRD has the field, and only there', () => {
    expect(told()).toEqual(addresses)
    expect(told('v1.7.0', 'experimental')).toEqual(addresses)
    for (const [version, channel] of [
      ['v1.7.0', 'standard'],
      ['v1.6.1', 'experimental'],
      ['v1.9.0', 'experimental'],
    ] as const)
      expect(told(version, channel)).toEqual([{ type: 'IPAddress', value: '10.96.0.7' }])
  })
})

describe('a port that cannot be bound', () => {
  test('makes its listener PortUnavailable, with the reason', () => {
    const two = '[{name: web, port: 80, protocol: HTTP}, {name: alt, port: 8080, protocol: HTTP}]'
    const fixture = new GraphFixture(edge(two))
      .bind('shop/edge', { portProblems: { '80': 'port 80 is used by another program' } })
      .program('shop/edge', 8080, 'programmed')
    const { conditions } = fixture.listenerStatus('shop/edge/web')
    expect(findCondition(conditions, 'Accepted')).toMatchObject({
      status: 'False',
      reason: 'PortUnavailable',
      message: 'spec.listeners[0].port: port 80 is used by another program',
    })
    expect(findCondition(conditions, 'Programmed')).toMatchObject({ status: 'False', reason: 'Invalid' })
    expect(summarize(fixture.gatewayStatus('shop/edge').conditions)).toEqual([
      'Accepted=True ListenersNotValid',
      'Programmed=True Programmed',
      'ResolvedRefs=True ResolvedRefs',
    ])
  })
})

describe('bad listeners', () => {
  test('alone make the Gateway not accepted and not programmed', () => {
    const fixture = new GraphFixture(edge('[{name: raw, port: 80, protocol: SCTP}]')).bind('shop/edge')
    expect(summarize(fixture.gatewayStatus('shop/edge').conditions)).toEqual([
      'Accepted=False ListenersNotValid',
      'Programmed=False Invalid',
      'ResolvedRefs=True ResolvedRefs',
    ])
    const listener = fixture.listenerStatus('shop/edge/raw')
    expect(summarize(listener.conditions)).toEqual([
      'Accepted=False UnsupportedProtocol',
      'Conflicted=False NoConflicts',
      'ResolvedRefs=True ResolvedRefs',
      'Programmed=False Invalid',
    ])
    expect(listener.supportedKinds).toEqual([])
  })

  test('among good ones leave it accepted, with a reason that says so and their names', () => {
    const two = '[{name: web, port: 80, protocol: HTTP}, {name: raw, port: 90, protocol: SCTP}]'
    const fixture = new GraphFixture(edge(two)).bind('shop/edge').program('shop/edge', 80, 'programmed')
    expect(findCondition(fixture.gatewayStatus('shop/edge').conditions, 'Accepted')).toMatchObject({
      status: 'True',
      reason: 'ListenersNotValid',
      message: 'not valid: listener "raw"',
    })
    expect(findCondition(fixture.gatewayStatus('shop/edge').conditions, 'Programmed').status).toBe('True')
  })

  test('that conflict are Conflicted and not accepted, with one reason', () => {
    const two =
      '[{name: web, port: 80, protocol: HTTP}, {name: tls, port: 80, protocol: HTTPS, tls: {certificateRefs: [{name: shop}]}}]'
    const fixture = new GraphFixture(edge(two) + tlsSecretYaml('shop/shop', cert.certificate, cert.privateKey)).bind(
      'shop/edge',
    )
    for (const name of ['web', 'tls'])
      expect(summarize(fixture.listenerStatus(`shop/edge/${name}`).conditions)).toEqual([
        'Accepted=False ProtocolConflict',
        'Conflicted=True ProtocolConflict',
        'ResolvedRefs=True ResolvedRefs',
        'Programmed=False Invalid',
      ])
    expect(findCondition(fixture.gatewayStatus('shop/edge').conditions, 'Accepted').status).toBe('False')
  })

  test('with a broken selector are not accepted, with a reason of the specification', () => {
    const bad = '[{name: web, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector}}}]'
    const fixture = new GraphFixture(edge(bad)).bind('shop/edge').program('shop/edge', 80, 'programmed')
    expect(summarize(fixture.listenerStatus('shop/edge/web').conditions)).toEqual([
      'Accepted=False UnsupportedValue',
      'Conflicted=False NoConflicts',
      'ResolvedRefs=True ResolvedRefs',
      'Programmed=False Invalid',
    ])
  })
})

describe('references of a listener', () => {
  test('to a missing Secret: accepted, not resolved, not programmed; routes are counted', () => {
    const https = '[{name: tls, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: gone}]}}]'
    const fixture = new GraphFixture(edge(https) + httpRouteYaml('shop/cart', '  parentRefs: [{name: edge}]')).bind(
      'shop/edge',
    )
    const listener = fixture.listenerStatus('shop/edge/tls')
    expect(summarize(listener.conditions)).toEqual([
      'Accepted=True Accepted',
      'Conflicted=False NoConflicts',
      'ResolvedRefs=False InvalidCertificateRef',
      'Programmed=False Invalid',
    ])
    expect(findCondition(listener.conditions, 'ResolvedRefs').message).toBe(
      'spec.listeners[0].tls.certificateRefs[0]: Secret "gone" not found',
    )
    expect(listener.attachedRoutes).toBe(1)
    // It has one listener that is accepted, and nothing that serves.
    expect(summarize(fixture.gatewayStatus('shop/edge').conditions)).toEqual([
      'Accepted=True Accepted',
      'Programmed=False Invalid',
      'ResolvedRefs=False ListenersNotResolved',
    ])
  })

  test('without permission rank before broken ones, and the kinds before both', () => {
    const https =
      '[{name: tls, port: 443, protocol: HTTPS, allowedRoutes: {kinds: [{kind: HTTPRoute}, {kind: TLSRoute}]}, tls: {certificateRefs: [{name: gone}, {name: safe, namespace: vault}]}}]'
    const first = new GraphFixture(edge(https)).listenerStatus('shop/edge/tls')
    expect(findCondition(first.conditions, 'ResolvedRefs').reason).toBe('InvalidRouteKinds')
    const second = new GraphFixture(edge(https.replace(', {kind: TLSRoute}', ''))).listenerStatus('shop/edge/tls')
    expect(findCondition(second.conditions, 'ResolvedRefs').reason).toBe('RefNotPermitted')
  })
})

describe('problems of the Gateway itself', () => {
  test('parameters rank before addresses', () => {
    const spec =
      '  addresses: [{type: NamedAddress, value: blue}]\n  infrastructure: {parametersRef: {group: "", kind: ConfigMap, name: gone}}'
    const fixture = new GraphFixture(edge(web, { spec }))
    expect(findCondition(fixture.gatewayStatus('shop/edge').conditions, 'Accepted')).toMatchObject({
      status: 'False',
      reason: 'InvalidParameters',
      message: 'spec.infrastructure.parametersRef: ConfigMap "shop/gone" not found',
    })
  })

  test('end the waiting: no proxy will ever come', () => {
    const fixture = new GraphFixture(edge(web, { spec: '  addresses: [{type: NamedAddress, value: blue}]' }))
    for (const { conditions } of [fixture.listenerStatus('shop/edge/web'), fixture.gatewayStatus('shop/edge')])
      expect(findCondition(conditions, 'Programmed')).toMatchObject({ status: 'False', reason: 'Invalid' })
  })

  test('an unsupported address is told', () => {
    const fixture = new GraphFixture(edge(web, { spec: '  addresses: [{type: NamedAddress, value: blue}]' }))
    expect(findCondition(fixture.gatewayStatus('shop/edge').conditions, 'Accepted').reason).toBe('UnsupportedAddress')
  })
})

describe('attachedRoutes', () => {
  const two =
    '[{name: web, port: 80, protocol: HTTP, hostname: "*.example.com"}, {name: alt, port: 8080, protocol: HTTP}]'
  const counts = (fixture: GraphFixture) => fixture.gatewayStatus('shop/edge').listeners.map((l) => l.attachedRoutes)
  const route = (name: string, parents: string, spec = '') =>
    httpRouteYaml(`shop/${name}`, `  parentRefs: ${parents}\n${spec}`)

  test('counts each listener for itself, as routes come and go', () => {
    const fixture = new GraphFixture(edge(two))
    expect(counts(fixture)).toEqual([0, 0])
    fixture.apply(route('a', '[{name: edge}]'), route('b', '[{name: edge, sectionName: alt}]'))
    expect(counts(fixture)).toEqual([1, 2])
    fixture.remove('HTTPRoute', 'shop/a')
    expect(counts(fixture)).toEqual([0, 1])
  })

  test('counts a route that names a listener twice once', () => {
    const parents = '[{name: edge, sectionName: alt}, {name: edge, namespace: shop, sectionName: alt}]'
    expect(counts(new GraphFixture(edge(two) + route('a', parents)))).toEqual([0, 1])
  })

  test('does not count a route whose hostnames miss the listener', () => {
    expect(
      counts(new GraphFixture(edge(two) + route('a', '[{name: edge}]', '  hostnames: [shop.example.org]'))),
    ).toEqual([0, 1])
  })

  test('does not count a route that is not accepted for itself', () => {
    const bad = '  rules: [{matches: [{path: {type: RegularExpression, value: "/("}}]}]'
    expect(counts(new GraphFixture(edge(two) + route('a', '[{name: edge}]', bad)))).toEqual([0, 0])
  })

  test('counts a route with a missing backend, which is accepted', () => {
    const fixture = new GraphFixture(
      edge(two) + route('a', '[{name: edge}]', '  rules: [{backendRefs: [{name: gone, port: 80}]}]'),
    )
    expect(counts(fixture)).toEqual([1, 1])
  })
})

test('every condition carries the generation that it was made from', () => {
  const fixture = new GraphFixture(edge(web, { generation: 3 }))
  const generations = () => {
    const { conditions, listeners } = fixture.gatewayStatus('shop/edge')
    return new Set([...conditions, ...listeners.flatMap((l) => l.conditions)].map((c) => c.observedGeneration))
  }
  expect(generations()).toEqual(new Set([3]))
  fixture.apply(gatewayYaml('shop/edge', web, { generation: 4 }))
  expect(generations()).toEqual(new Set([4]))
})
