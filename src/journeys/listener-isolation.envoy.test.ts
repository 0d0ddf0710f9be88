import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml, tlsSecretYaml } from '../testing/builders.ts'
import { type IssuedCertificate, issueCertificate } from '../testing/certificates.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { sendHttp2 } from '../testing/http2.ts'
import { backendYaml, StandaloneFixture } from '../testing/standalone-fixture.ts'

/*
 * A host belongs to the most specific listener of its port.
 *
 * Features: GatewayHTTPListenerIsolation, GatewayHTTPSListenerDetectMisdirectedRequests.
 */

const isolated = ['', '*.example.com', '*.foo.example.com', 'abc.foo.example.com']
const nameOf = (hostname: string) => (hostname === '' ? 'any' : hostname.replaceAll('.', '-').replace('*', 'wild'))
const plainListeners = (port: number) =>
  isolated.map((h) => `{name: ${nameOf(h)}-${port}, port: ${port}, protocol: HTTP${h && `, hostname: "${h}"`}}`)

const secure = ['', 'second.org', '*.wildcard.org', 'fourth.wildcard.org']
const secureListeners = secure.map(
  (h) =>
    `{name: tls-${nameOf(h)}, port: 443, protocol: HTTPS${h && `, hostname: "${h}"`}, tls: {certificateRefs: [{name: all}]}}`,
)

/** A route to a listener whose path tells which one answered. */
const routeYaml = (listener: string, path: string, hostnames: readonly string[] = []) =>
  httpRouteYaml(
    `to-${listener}`,
    `  parentRefs: [{name: edge, sectionName: ${listener}}]
  hostnames: [${hostnames.map((h) => `"${h}"`).join(', ')}]
  rules: [{matches: [{path: {value: ${path}}}], backendRefs: [{name: echo, port: 3000}]}]`,
  )

let backend: EchoBackend
let fixture: StandaloneFixture
let authority: IssuedCertificate
beforeAll(async () => {
  backend = await startEchoBackend({ service: 'echo' })
  authority = issueCertificate({ commonName: 'Authority', isAuthority: true })
  const dnsNames = ['example.org', 'second.org', 'unknown.org', '*.wildcard.org']
  const leaf = issueCertificate({ commonName: 'all', dnsNames, issuer: authority })
  const certificates = {
    ec: issueCertificate({ commonName: 'ec', dnsNames: ['both.test'], issuer: authority }),
    rsa: issueCertificate({ commonName: 'rsa', dnsNames: ['both.test'], issuer: authority, keyType: 'rsa-2048' }),
    wild: issueCertificate({ commonName: 'wild', dnsNames: ['*.wild.test'], issuer: authority }),
    exact: issueCertificate({ commonName: 'exact', dnsNames: ['exact.wild.test'], issuer: authority }),
  }
  const more = [
    '{name: both, port: 8443, protocol: HTTPS, hostname: both.test, tls: {certificateRefs: [{name: ec}, {name: rsa}]}}',
    '{name: wild, port: 8443, protocol: HTTPS, hostname: "*.wild.test", tls: {certificateRefs: [{name: wild}, {name: exact}]}}',
  ]
  fixture = await StandaloneFixture.start({
    gateway:
      gatewayClassYaml +
      gatewayYaml(
        'edge',
        `[${[...plainListeners(80), ...plainListeners(8080), ...secureListeners, ...more].join(', ')}]`,
      ),
    routes: [
      ...isolated.map((h) => routeYaml(`${nameOf(h)}-80`, `/${nameOf(h)}`)),
      ...isolated.map((h) =>
        routeYaml(`${nameOf(h)}-8080`, `/${nameOf(h)}`, [
          'bar.com',
          '*.example.com',
          '*.foo.example.com',
          'abc.foo.example.com',
        ]),
      ),
      ...secure.map((h) => routeYaml(`tls-${nameOf(h)}`, `/${nameOf(h)}`)),
      routeYaml('both', '/'),
      routeYaml('wild', '/'),
    ].join(''),
    backend: backendYaml(backend, { service: 'echo' }),
    secrets: [['all', leaf] as const, ...Object.entries(certificates)]
      .map(([name, { certificate, privateKey }]) => tlsSecretYaml(name, certificate, privateKey))
      .join(''),
  })
})
afterAll(async () => {
  await fixture?.stop()
  await backend?.close()
})

describe.each([
  [80, 'hostnames of listeners alone'],
  [8080, 'hostnames of listeners and of routes'],
])('on port %i, with %s', (port) => {
  const owners = [
    ['bar.com', ''],
    ['bar.example.com', '*.example.com'],
    ['bar.foo.example.com', '*.foo.example.com'],
    ['a.b.foo.example.com', '*.foo.example.com'],
    ['abc.foo.example.com', 'abc.foo.example.com'],
  ] as const

  test.each(owners)('%s sees the routes of the listener "%s" and of no other', async (host, owner) => {
    for (const hostname of isolated) {
      const { status } = await fixture.get(`default/edge/any-${port}`, `/${nameOf(hostname)}`, { host })
      expect(status, hostname).toBe(hostname === owner ? 200 : 404)
    }
  })
})

describe('on an HTTPS connection', () => {
  // As in the specification of Listener.hostname: connection to (SNI), request for, answer.
  test.each([
    ['example.org', 'example.org', 200, ''],
    ['example.org', 'second.org', 421],
    ['example.org', 'a.wildcard.org', 421],
    ['example.org', 'unknown.org', 404],
    ['second.org', 'second.org', 200, 'second.org'],
    ['second.org', 'SECOND.org:443', 200, 'second.org'],
    ['second.org', 'example.org', 421],
    ['second.org', 'unknown.org', 421],
    ['third.wildcard.org', 'third.wildcard.org', 200, '*.wildcard.org'],
    ['third.wildcard.org', 'fifth.wildcard.org', 200, '*.wildcard.org'],
    ['third.wildcard.org', 'fourth.wildcard.org', 421],
    ['third.wildcard.org', 'second.org', 421],
    ['fourth.wildcard.org', 'fourth.wildcard.org', 200, 'fourth.wildcard.org'],
    ['fourth.wildcard.org', 'fifth.wildcard.org', 421],
    ['unknown.org', 'example.org', 200, ''],
  ])('to %s, a request for %s is answered with %i', async (serverName, host, status, owner?: string) => {
    // Only what nobody routes is 404: the listener for every host has a route for its own path alone.
    const path = owner === undefined ? '/nothing' : `/${nameOf(owner)}`
    const url = fixture.url('default/edge/tls-any')
    expect((await sendHttp2({ url, serverName, authority: host, path })).status).toBe(status)
    expect(
      (await fixture.get('default/edge/tls-any', path, { host, serverName, ca: authority.certificate })).status,
    ).toBe(status)
  })

  test('the overlap is told on every listener of the port', () => {
    const overlaps = fixture.conditions('Gateway', 'default', 'edge').filter((c) => c.type === 'OverlappingTLSConfig')
    expect(overlaps.map((c) => c.about)).toEqual(secure.map((h) => `listener tls-${nameOf(h)}`))
  })
})

describe('of several certificates of a listener', () => {
  /** Common name of the certificate that a client is shown, which it has verified. */
  const shown = (serverName: string, options: object = {}) =>
    new Promise<string>((resolve, reject) => {
      const { hostname: host, port } = new URL(fixture.url('default/edge/both'))
      const socket = connect(
        { host, port: Number(port), servername: serverName, ca: authority.certificate, ...options },
        () => {
          resolve(socket.getPeerX509Certificate()?.subject ?? '')
          socket.destroy()
        },
      )
      socket.once('error', reject)
    })
  const rsaOnly = { sigalgs: 'rsa_pss_rsae_sha256', maxVersion: 'TLSv1.3' }

  test('a client gets the one whose kind of key it understands', async () => {
    expect(await shown('both.test')).toBe('CN=ec')
    expect(await shown('both.test', { ...rsaOnly, ca: undefined, rejectUnauthorized: false })).toBe('CN=rsa')
  })

  test('a client gets the one for its name, exact before wildcard', async () => {
    expect(await shown('some.wild.test')).toBe('CN=wild')
    expect(await shown('exact.wild.test')).toBe('CN=exact')
  })
})
