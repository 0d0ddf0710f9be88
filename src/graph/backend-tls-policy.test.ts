import { describe, expect, test } from 'vitest'
import {
  findCondition,
  GraphFixture,
  gatewayClassYaml,
  gatewayYaml,
  httpRouteYaml,
  referenceGrantYaml,
  serviceYaml,
  summarize,
} from '../testing/builders.ts'
import { issueCertificate } from '../testing/certificates.ts'

const authority = issueCertificate({ commonName: 'Authority', isAuthority: true })
const ca = (name = 'ca', text = authority.certificate) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}, namespace: shop}
data: {ca.crt: ${JSON.stringify(text)}}
---
`
const ports = '[{name: https, port: 443}, {name: other, port: 8443}]'
const route = httpRouteYaml(
  'shop/web',
  `  parentRefs: [{name: edge}]
  rules:
    - {backendRefs: [{name: cart, port: 443}]}
    - {backendRefs: [{name: cart, port: 8443}]}`,
)
const base =
  gatewayClassYaml +
  gatewayYaml('shop/edge', '[{name: web, port: 80, protocol: HTTP}]') +
  serviceYaml('shop/cart', ports) +
  route +
  ca()

function policy(
  name: string,
  { section = '', hostname = 'cart.example.com', authorities = '', more = '', created = '', kind = 'Service' } = {},
) {
  const time = created === '' ? '' : `, creationTimestamp: '${created}'`
  const refs = authorities || 'caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]'
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: ${name}, namespace: shop, generation: 3${time}}
spec:
  targetRefs: [{group: "", kind: ${kind}, name: cart${section && `, sectionName: ${section}`}}]
  validation: {hostname: ${hostname}, ${refs}${more}}
---
`
}

const conditionsOf = (fixture: GraphFixture, name: string) => {
  const status = fixture.statuses.backendTLSPolicies.get(`shop/${name}` as never)
  return status?.ancestors.flatMap(({ conditions }) => summarize(conditions))
}
const good = ['Accepted=True Accepted', 'ResolvedRefs=True ResolvedRefs']

describe('a BackendTLSPolicy', () => {
  test('makes the backend one that is spoken to with TLS, and tells the Gateway that leads to it', () => {
    const fixture = new GraphFixture(base + policy('tls'))
    expect(fixture.backend('Service', 'shop/cart', 443).tls).toMatchObject({
      serverName: 'cart.example.com',
      subjectAltNames: [],
      authorities: ['ConfigMap/shop/ca'],
    })
    expect(fixture.statuses.backendTLSPolicies.get('shop/tls' as never)?.ancestors).toEqual([
      {
        ancestorRef: { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace: 'shop', name: 'edge' },
        controllerName: 'gatewright.dev/gateway-controller',
        conditions: expect.anything(),
      },
    ])
    expect(conditionsOf(fixture, 'tls')).toEqual(good)
    fixture.remove('BackendTLSPolicy', 'shop/tls')
    expect(fixture.backend('Service', 'shop/cart', 443).tls).toBeUndefined()
  })

  test('is no business of ours while no route of ours leads to its target', () => {
    const fixture = new GraphFixture(base + policy('tls'))
    fixture.remove('HTTPRoute', 'shop/web')
    expect(fixture.statuses.backendTLSPolicies.size).toBe(0)
    // A stranger without a grant does not make it so.
    fixture.apply(
      gatewayYaml('evil/gw', '[{name: web, port: 80, protocol: HTTP}]') +
        httpRouteYaml(
          'evil/web',
          '  parentRefs: [{name: gw}]\n  rules: [{backendRefs: [{name: cart, namespace: shop, port: 443}]}]',
        ),
    )
    expect(fixture.statuses.backendTLSPolicies.size).toBe(0)
    fixture.apply(referenceGrantYaml('shop/evil', ['HTTPRoute/evil'], ['Service']))
    expect(conditionsOf(fixture, 'tls')).toEqual(good)
  })

  test('is another identity when what it asks for changes, and the same when its authorities are rotated', () => {
    const fixture = new GraphFixture(base + policy('tls'))
    const hash = () => fixture.backend('Service', 'shop/cart', 443).tls?.hash
    const first = hash()
    fixture.apply(ca('ca', issueCertificate({ isAuthority: true }).certificate))
    expect(hash()).toBe(first)
    fixture.apply(policy('tls', { hostname: 'other.example.com' }))
    expect(hash()).not.toBe(first)
    fixture.apply(policy('tls', { more: ', subjectAltNames: [{type: URI, uri: "spiffe://a/b"}]' }))
    expect(hash()).not.toBe(first)
    fixture.apply(policy('renamed', { created: '2020-01-01T00:00:00Z' }) + policy('tls'))
    expect(hash()).toBe(first)
  })

  test('for the port goes before one for the Service, and both are accepted', () => {
    const fixture = new GraphFixture(
      base +
        policy('all', { hostname: 'all.test', created: '2020-01-01T00:00:00Z' }) +
        policy('one', { section: 'https', hostname: 'one.test' }),
    )
    expect(fixture.backend('Service', 'shop/cart', 443).tls?.serverName).toBe('one.test')
    expect(fixture.backend('Service', 'shop/cart', 8443).tls?.serverName).toBe('all.test')
    expect([conditionsOf(fixture, 'all'), conditionsOf(fixture, 'one')]).toEqual([good, good])
  })

  test.each([
    ['', '2026-01-01T00:00:00Z', 'b'],
    ['https', '2026-01-01T00:00:00Z', 'b'],
    ['https', '2026-03-03T00:00:00Z', 'a'],
    ['https', '2026-02-02T00:00:00Z', 'a'],
  ])(
    'of section "%s" conflicts with another: the older one, then the first by name counts',
    (section, created, winner) => {
      const fixture = new GraphFixture(
        base +
          policy('a', { section, hostname: 'a.test', created: '2026-02-02T00:00:00Z' }) +
          policy('b', { section, hostname: 'b.test', created }),
      )
      expect(fixture.backend('Service', 'shop/cart', 443).tls?.serverName).toBe(`${winner}.test`)
      expect(conditionsOf(fixture, winner)).toEqual(good)
      const loser = winner === 'a' ? 'b' : 'a'
      expect(conditionsOf(fixture, loser)).toEqual(['Accepted=False Conflicted', 'ResolvedRefs=True ResolvedRefs'])
      const [ancestor] = fixture.statuses.backendTLSPolicies.get(`shop/${loser}` as never)?.ancestors ?? []
      expect(findCondition(ancestor?.conditions ?? [], 'Accepted')).toMatchObject({
        message: `spec.targetRefs: BackendTLSPolicy "shop/${winner}" is older and has the same targets: remove one of them`,
        observedGeneration: 3,
      })
      fixture.remove('BackendTLSPolicy', `shop/${winner}`)
      expect(conditionsOf(fixture, loser)).toEqual(good)
    },
  )

  test.each([
    [
      'caCertificateRefs: [{group: "", kind: ConfigMap, name: gone}]',
      'NoValidCACertificate',
      'InvalidCACertificateRef',
    ],
    ['caCertificateRefs: [{group: "", kind: ConfigMap, name: bad}]', 'NoValidCACertificate', 'InvalidCACertificateRef'],
    ['caCertificateRefs: [{group: "", kind: Secret, name: ca}]', 'NoValidCACertificate', 'InvalidKind'],
    ['wellKnownCACertificates: example.com/mine', 'Invalid', undefined],
  ])('that cannot be honoured keeps the backend from being reached: %s', (authorities, accepted, resolvedRefs) => {
    const fixture = new GraphFixture(base + ca('bad', 'x') + policy('tls', { authorities, section: 'https' }))
    expect(conditionsOf(fixture, 'tls')).toEqual([
      `Accepted=False ${accepted}`,
      resolvedRefs ? `ResolvedRefs=False ${resolvedRefs}` : 'ResolvedRefs=True ResolvedRefs',
    ])
    const rules = fixture.attachments('shop/edge/web')[0]?.route
    expect(
      rules && 'rules' in rules && rules.rules.map((r) => r.backendRefs.map((ref) => ref.backend !== undefined)),
    ).toEqual([[false], [true]])
    expect(findCondition(fixture.parentStatus('shop/web').conditions, 'ResolvedRefs')).toMatchObject({
      status: 'False',
      reason: 'InvalidBackendTLS',
      message:
        'spec.rules[0].backendRefs[0]: BackendTLSPolicy "shop/tls" of Service "cart" is not valid, and it is not reached without TLS',
    })
  })

  test('that is invalid for a port counts before one for the Service', () => {
    const fixture = new GraphFixture(
      base +
        policy('all') +
        policy('one', { section: 'https', authorities: 'wellKnownCACertificates: example.com/mine' }),
    )
    expect(fixture.backend('Service', 'shop/cart', 443)).toMatchObject({ tlsProblem: { reason: 'InvalidBackendTLS' } })
  })

  test('lets authorities of several objects, or of the system, vouch', () => {
    const two = 'caCertificateRefs: [{group: "", kind: ConfigMap, name: z}, {group: "", kind: ConfigMap, name: ca}]'
    const fixture = new GraphFixture(base + ca('z') + policy('tls', { authorities: two }))
    const authorities = () => fixture.backend('Service', 'shop/cart', 443).tls?.authorities
    expect(authorities()).toEqual(['ConfigMap/shop/ca', 'ConfigMap/shop/z'])
    fixture.apply(policy('tls', { authorities: 'wellKnownCACertificates: System' }))
    expect(authorities()).toBe('system')
  })

  test('makes a Service for wss one that can be reached', () => {
    const wss = serviceYaml('shop/cart', '[{name: https, port: 443, appProtocol: kubernetes.io/wss}]')
    const fixture = new GraphFixture(base + wss)
    expect(fixture.backend('Service', 'shop/cart', 443).problem?.message).toContain('add a BackendTLSPolicy')
    fixture.apply(policy('tls'))
    expect(fixture.backend('Service', 'shop/cart', 443)).toMatchObject({ state: 'resolved', protocol: 'http1' })
  })
})
