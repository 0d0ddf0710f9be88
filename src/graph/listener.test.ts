import { beforeAll, describe, expect, test } from 'vitest'
import { Scheduler } from '../collections/scheduler.ts'
import {
  GraphFixture,
  gatewayClassYaml,
  gatewayYaml,
  referenceGrantYaml,
  serviceYaml,
  tlsSecretYaml,
} from '../testing/builders.ts'
import { type IssuedCertificate, issueCertificate } from '../testing/certificates.ts'
import type { ListenerNode } from './listener.ts'

const httpRouteKind = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute' }
const requestRouteKinds = [httpRouteKind, { group: 'gateway.networking.k8s.io', kind: 'GRPCRoute' }]

/** A Gateway shop/edge with these listeners. */
function edge(listeners: string, ...others: readonly string[]) {
  return new GraphFixture(gatewayClassYaml + gatewayYaml('shop/edge', listeners) + others.join(''))
}

const problemsOf = (listener: ListenerNode) =>
  listener.problems.map(({ on, reason, path }) => `${on} ${reason} ${path}`)
const messagesOf = (listener: ListenerNode) => listener.problems.map((p) => p.message)

describe('protocol', () => {
  test('HTTP is accepted, takes HTTPRoutes and GRPCRoutes of its own namespace and every host', () => {
    const listener = edge('[{name: web, port: 80, protocol: HTTP}]').listener('shop/edge/web')
    expect(listener).toMatchObject({ gateway: 'shop/edge', index: 0, port: 80, protocol: 'HTTP', hostname: '' })
    expect(listener).toMatchObject({ verdict: 'accepted', problems: [], certificates: [] })
    expect(listener.supportedKinds).toEqual(requestRouteKinds)
    expect(listener.allowedNamespaces).toEqual({ from: 'Same' })
  })

  test.each(['SCTP', 'example.com/quic'])('%s is rejected, and supports no kind', (protocol) => {
    const listener = edge(`[{name: odd, port: 90, protocol: ${protocol}}]`).listener('shop/edge/odd')
    expect(listener).toMatchObject({ verdict: 'rejected', supportedKinds: [], allowedNamespaces: { from: 'None' } })
    expect(problemsOf(listener)).toEqual(['Accepted UnsupportedProtocol spec.listeners[0].protocol'])
    expect(messagesOf(listener)).toEqual([`protocol ${protocol} is not supported: use HTTP, HTTPS, TLS, TCP or UDP`])
  })

  test('of one listener does not harm its neighbours', () => {
    const fixture = edge('[{name: web, port: 80, protocol: HTTP}, {name: db, port: 5432, protocol: SCTP}]')
    expect(fixture.listener('shop/edge/web').verdict).toBe('accepted')
    expect(fixture.listener('shop/edge/db')).toMatchObject({ verdict: 'rejected', index: 1 })
  })
})

describe('conflicts', () => {
  test('two protocols on one port reject each other', () => {
    const fixture = edge(
      '[{name: web, port: 80, protocol: HTTP}, {name: secure, port: 80, protocol: HTTPS, hostname: pay.example.com, tls: {certificateRefs: [{name: pay}]}}]',
    )
    for (const name of ['web', 'secure']) {
      const listener = fixture.listener(`shop/edge/${name}`)
      expect(listener.verdict).toBe('rejected')
      expect(listener.problems.filter((p) => p.on === 'Conflicted').map((p) => p.reason)).toEqual(['ProtocolConflict'])
    }
  })

  test('an unsupported protocol on the port is no conflict, because it cannot serve anyway', () => {
    const fixture = edge('[{name: web, port: 80, protocol: HTTP}, {name: raw, port: 80, protocol: SCTP}]')
    expect(fixture.listener('shop/edge/web')).toMatchObject({ verdict: 'accepted', problems: [] })
  })

  test('different hostnames share a port', () => {
    const fixture = edge(
      '[{name: any, port: 80, protocol: HTTP}, {name: shop, port: 80, protocol: HTTP, hostname: shop.example.com}, {name: wild, port: 80, protocol: HTTP, hostname: "*.example.com"}]',
    )
    expect(fixture.gateway('shop/edge').listeners.map((l) => l.verdict)).toEqual(['accepted', 'accepted', 'accepted'])
  })

  test('one hostname on two ports is no conflict', () => {
    const fixture = edge(
      '[{name: a, port: 80, protocol: HTTP, hostname: shop.example.com}, {name: b, port: 8080, protocol: HTTP, hostname: shop.example.com}]',
    )
    expect(fixture.gateway('shop/edge').listeners.map((l) => l.verdict)).toEqual(['accepted', 'accepted'])
  })
})

describe('allowedRoutes', () => {
  test('kinds keeps the known ones and reports the others by position', () => {
    const listener = edge(
      '[{name: web, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: TCPRoute}, {kind: HTTPRoute}, {group: example.com, kind: HTTPRoute}]}}]',
    ).listener('shop/edge/web')
    expect(listener).toMatchObject({ verdict: 'accepted', supportedKinds: [httpRouteKind] })
    expect(problemsOf(listener)).toEqual([
      'ResolvedRefs InvalidRouteKinds spec.listeners[0].allowedRoutes.kinds[0]',
      'ResolvedRefs InvalidRouteKinds spec.listeners[0].allowedRoutes.kinds[2]',
    ])
    expect(messagesOf(listener)[1]).toContain('HTTPRoute of group "example.com" cannot attach')
  })

  test('with unknown kinds alone supports none and cannot serve', () => {
    const listener = edge(
      '[{name: web, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: UDPRoute}]}}]',
    ).listener('shop/edge/web')
    expect(listener).toMatchObject({ verdict: 'attachable', supportedKinds: [] })
  })

  test('an empty list of kinds means those of the protocol', () => {
    const listener = edge('[{name: web, port: 80, protocol: HTTP, allowedRoutes: {kinds: []}}]').listener(
      'shop/edge/web',
    )
    expect(listener.supportedKinds).toEqual(requestRouteKinds)
  })

  test.each(['All', 'Same'])('from %s is taken over', (from) => {
    const listener = edge(`[{name: web, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: ${from}}}}]`)
    expect(listener.listener('shop/edge/web').allowedNamespaces).toEqual({ from })
  })

  test('a selector is taken over', () => {
    const listener = edge(
      '[{name: web, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: shop}}}}}]',
    ).listener('shop/edge/web')
    expect(listener.allowedNamespaces).toEqual({ from: 'Selector', selector: { matchLabels: { team: 'shop' } } })
  })

  test.each([
    ['without a selector', '{from: Selector}'],
    ['with an unknown operator', '{from: Selector, selector: {matchExpressions: [{key: team, operator: Like}]}}'],
    ['with In and no values', '{from: Selector, selector: {matchExpressions: [{key: team, operator: In}]}}'],
  ])('Selector %s allows no namespace at all, and the listener is not accepted', (_, namespaces) => {
    const listener = edge(
      `[{name: web, port: 80, protocol: HTTP, allowedRoutes: {namespaces: ${namespaces}}}]`,
    ).listener('shop/edge/web')
    expect(listener).toMatchObject({ allowedNamespaces: { from: 'None' }, verdict: 'attachable' })
    expect(problemsOf(listener)).toEqual([
      'Accepted UnsupportedValue spec.listeners[0].allowedRoutes.namespaces.selector',
    ])
  })
})

describe('certificates of an HTTPS listener', () => {
  let shop: IssuedCertificate
  let pay: IssuedCertificate
  beforeAll(() => {
    shop = issueCertificate({ dnsNames: ['shop.example.com'] })
    pay = issueCertificate({ dnsNames: ['pay.example.com'] })
  })
  const https = (refs: string) => `[{name: tls, port: 443, protocol: HTTPS, tls: {certificateRefs: ${refs}}}]`

  test('come from the Secrets that it names, in their order', () => {
    const listener = edge(
      https('[{name: shop}, {name: pay, kind: Secret, group: ""}]'),
      tlsSecretYaml('shop/pay', pay.certificate, pay.privateKey),
      tlsSecretYaml('shop/shop', shop.certificate, shop.privateKey),
    ).listener('shop/edge/tls')
    expect(listener).toMatchObject({ verdict: 'accepted', problems: [] })
    expect(listener.certificates.map((c) => [c.key, c.dnsNames])).toEqual([
      ['shop/shop', ['shop.example.com']],
      ['shop/pay', ['pay.example.com']],
    ])
  })

  test('may be missing: routes attach, nothing is served', () => {
    const listener = edge(https('[{name: gone}]')).listener('shop/edge/tls')
    expect(listener).toMatchObject({ verdict: 'attachable', certificates: [], supportedKinds: requestRouteKinds })
    expect(problemsOf(listener)).toEqual([
      'ResolvedRefs InvalidCertificateRef spec.listeners[0].tls.certificateRefs[0]',
    ])
    expect(messagesOf(listener)).toEqual(['Secret "gone" not found'])
  })

  test('appear as soon as the Secret does, and go with it', () => {
    const fixture = edge(https('[{name: shop}]'))
    fixture.apply(tlsSecretYaml('shop/shop', shop.certificate, shop.privateKey))
    expect(fixture.listener('shop/edge/tls')).toMatchObject({ verdict: 'accepted', problems: [] })
    fixture.remove('Secret', 'shop/shop')
    expect(fixture.listener('shop/edge/tls').verdict).toBe('attachable')
  })

  test('are offered without the broken one among them, which is reported', () => {
    const listener = edge(
      https('[{name: shop}, {name: mixed}]'),
      tlsSecretYaml('shop/shop', shop.certificate, shop.privateKey),
      tlsSecretYaml('shop/mixed', shop.certificate, pay.privateKey),
    ).listener('shop/edge/tls')
    expect(listener).toMatchObject({ verdict: 'accepted', certificates: [{ key: 'shop/shop' }] })
    expect(messagesOf(listener)).toEqual([
      'Secret "mixed" has a certificate in "tls.crt" that does not match the private key in "tls.key"',
    ])
  })

  test('are needed: a listener that names none cannot serve', () => {
    const listener = edge('[{name: tls, port: 443, protocol: HTTPS}]').listener('shop/edge/tls')
    expect(listener.verdict).toBe('attachable')
    expect(problemsOf(listener)).toEqual(['ResolvedRefs InvalidCertificateRef spec.listeners[0].tls.certificateRefs'])
  })

  test.each([
    ['{name: web, kind: Service}', 'Service'],
    ['{name: web, group: example.com, kind: Vault}', 'Vault'],
  ])('come from nothing but Secrets: %s', (ref, kind) => {
    const listener = edge(https(`[${ref}]`), serviceYaml('shop/web')).listener('shop/edge/tls')
    expect(listener.verdict).toBe('attachable')
    expect(messagesOf(listener)).toEqual([`certificates come from Secrets: a ${kind} is not supported`])
  })

  test('must be in a Secret of type kubernetes.io/tls, and the message says which type it has', () => {
    const opaque = tlsSecretYaml('shop/shop', shop.certificate, shop.privateKey).replace('kubernetes.io/tls', 'Opaque')
    const listener = edge(https('[{name: shop}]'), opaque).listener('shop/edge/tls')
    expect(listener.verdict).toBe('attachable')
    expect(messagesOf(listener)).toEqual(['Secret "shop" is of type Opaque: use type kubernetes.io/tls'])
  })

  describe('in another namespace', () => {
    const elsewhere = https('[{name: shop, namespace: vault}]')
    const grant = referenceGrantYaml('vault/edge', ['Gateway/shop'], ['Secret'])

    test('need a ReferenceGrant', () => {
      const fixture = edge(elsewhere, tlsSecretYaml('vault/shop', shop.certificate, shop.privateKey))
      const refused = fixture.listener('shop/edge/tls')
      expect(refused).toMatchObject({ verdict: 'attachable', certificates: [] })
      expect(refused.problems).toMatchObject([{ on: 'ResolvedRefs', reason: 'RefNotPermitted' }])
      expect(messagesOf(refused)[0]).toBe(
        'Secret "vault/shop" may not be referred to from namespace shop: add a ReferenceGrant in namespace vault from Gateway in shop to Secret',
      )
      fixture.apply(grant)
      expect(fixture.listener('shop/edge/tls')).toMatchObject({ verdict: 'accepted', problems: [] })
      fixture.remove('ReferenceGrant', 'vault/edge')
      expect(fixture.listener('shop/edge/tls')).toMatchObject({ verdict: 'attachable', certificates: [] })
    })

    test('are not told to exist or not to exist without the grant', () => {
      const absent = edge(elsewhere).listener('shop/edge/tls')
      const broken = edge(elsewhere, tlsSecretYaml('vault/shop', 'x', 'y')).listener('shop/edge/tls')
      const present = edge(elsewhere, tlsSecretYaml('vault/shop', shop.certificate, shop.privateKey))
      expect(absent.problems).toEqual(present.listener('shop/edge/tls').problems)
      expect(broken.problems).toEqual(absent.problems)
    })

    test('are not found when the grant is there and they are not', () => {
      expect(messagesOf(edge(elsewhere, grant).listener('shop/edge/tls'))).toEqual(['Secret "vault/shop" not found'])
    })

    test('are not opened by a grant for routes', () => {
      const listener = edge(
        elsewhere,
        tlsSecretYaml('vault/shop', shop.certificate, shop.privateKey),
        referenceGrantYaml('vault/edge', ['HTTPRoute/shop'], ['Secret']),
      ).listener('shop/edge/tls')
      expect(listener.problems).toMatchObject([{ reason: 'RefNotPermitted' }])
    })
  })
})

describe('what would be dangerous to ignore', () => {
  test('a listener with a filter that nobody knows does not serve without it', () => {
    const listener = edge(
      '[{name: web, port: 80, protocol: HTTP, filters: {requests: [{type: ExtensionRef, extensionRef: {group: example.com, kind: Guard, name: door}}]}}]',
    ).listener('shop/edge/web')
    expect(listener).toMatchObject({
      verdict: 'attachable',
      problems: [{ on: 'Accepted', reason: 'UnsupportedValue', path: 'spec.listeners[0].filters.requests[0]' }],
    })
  })
})

test('a private key is in no problem and in no dump of the parents that routes see', () => {
  const { certificate, privateKey } = issueCertificate()
  const fixture = edge(
    '[{name: tls, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: shop}]}}]',
    tlsSecretYaml('shop/shop', certificate, privateKey),
  )
  const secret = privateKey.split('\n')[1] as string
  expect(JSON.stringify(fixture.listener('shop/edge/tls').certificates)).toContain(secret)
  expect(JSON.stringify(fixture.gatewayStatus('shop/edge'))).not.toContain(secret)
  expect(fixture.scheduler).toBeInstanceOf(Scheduler)
})
