import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml, tlsSecretYaml } from '../testing/builders.ts'
import { type IssuedCertificate, issueCertificate } from '../testing/certificates.ts'
import { StandaloneFixture } from '../testing/standalone-fixture.ts'
import {
  greetingOf,
  type StreamBackend,
  startTcpBackend,
  streamRouteYaml,
  streamServiceYaml,
} from '../testing/stream-backends.ts'
import { startTlsEcho, type TlsAnswer, type TlsEcho } from '../testing/tls-echo.ts'

/*
 * BackendTLSPolicy and the Gateway's own certificate: TLS between stock Envoy and backends.
 *
 * Features: BackendTLSPolicy, BackendTLSPolicySANValidation, GatewayBackendClientCertificate.
 */

const configMap = (name: string, text: string) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}}
data: {ca.crt: ${JSON.stringify(text)}}
---
`
const policy = (service: string, validation: string, { name = service, created = '' } = {}) => `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: ${name}${created && `, creationTimestamp: '${created}'`}}
spec:
  targetRefs: [{group: "", kind: Service, name: ${service}}]
  validation: {hostname: abc.example.com, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]${validation}}
---
`
const sans = (...names: string[]) => `, subjectAltNames: [${names.join(', ')}]`
const dns = (name: string) => `{type: Hostname, hostname: "${name}"}`
const uri = (text: string) => `{type: URI, uri: "${text}"}`

/** Service to what its policy says beside the usual. */
const cases: Readonly<Record<string, readonly [validation: string, status: number]>> = {
  good: ['', 200],
  'wrong-host': ['', 503],
  'wrong-ca': ['', 503],
  system: ['', 503],
  'san-dns': [sans(dns('other.example.com')), 200],
  'san-wildcard': [sans(dns('*.example.com')), 200],
  'san-dns-wrong': [sans(dns('wrong.example.com')), 503],
  'san-hostname-is-no-san': [sans(dns('wrong.example.org')), 503],
  'san-uri': [sans(uri('spiffe://abc.example.com/test-identity')), 200],
  'san-uri-wrong': [sans(uri('spiffe://abc.example.com/other')), 503],
  'san-several': [sans(uri('spiffe://wrong/x'), dns('other.example.com')), 200],
  invalid: ['', 500],
  'invalid-kind': ['', 500],
}
const policyOf = (name: string, [validation]: readonly [string, number]) => {
  const text = policy(name, validation)
  if (name === 'wrong-host') return text.replace('abc.example.com', 'abc.example.org')
  if (name === 'wrong-ca') return text.replace('name: ca}', 'name: stranger}')
  if (name === 'system') return text.replace(/caCertificateRefs: \[[^\]]*\]/, 'wellKnownCACertificates: System')
  if (name === 'invalid') return text.replace('name: ca}', 'name: nothing}')
  if (name === 'invalid-kind') return text.replace('kind: ConfigMap', 'kind: Secret')
  return text
}

let authority: IssuedCertificate
let echo: TlsEcho
let untouched: TlsEcho
let stream: StreamBackend
let plain: StreamBackend
let fixture: StandaloneFixture
beforeAll(async () => {
  authority = issueCertificate({ commonName: 'Authority', isAuthority: true })
  const leaf = issueCertificate({
    commonName: 'backend',
    dnsNames: ['abc.example.com', 'other.example.com'],
    uris: ['spiffe://abc.example.com/test-identity'],
    issuer: authority,
  })
  const front = issueCertificate({ commonName: 'front', dnsNames: ['*.front.test'], issuer: authority })
  const own = issueCertificate({ commonName: 'gateway', issuer: authority })
  echo = await startTlsEcho(leaf)
  untouched = await startTlsEcho(leaf)
  stream = await startTcpBackend('stream', leaf)
  plain = await startTcpBackend('plain')
  const names = Object.keys(cases)
  const extra = ['rotating', 'grpc', 'conflict']
  const backendOf = (name: string) => (name.startsWith('invalid') ? untouched : echo)
  const secured =
    '{name: end, port: 8443, protocol: TLS, hostname: end.front.test, tls: {certificateRefs: [{name: front}]}}'
  fixture = await StandaloneFixture.start({
    gateway:
      gatewayClassYaml +
      gatewayYaml(
        'edge',
        `[{name: web, port: 80, protocol: HTTP}, {name: tcp, port: 9000, protocol: TCP}, {name: refused, port: 9001, protocol: TCP}, {name: pass, port: 8443, protocol: TLS, hostname: abc.example.com, tls: {mode: Passthrough}}, ${secured}]`,
        { spec: '  tls: {backend: {clientCertificateRef: {name: own}}}' },
      ),
    routes: httpRouteYaml(
      'web',
      `  parentRefs: [{name: edge, sectionName: web}]
  rules:
${[...names, ...extra].map((n) => `    - {matches: [{path: {value: /${n}}}], backendRefs: [{name: ${n}, port: 3000}]}`).join('\n')}`,
    ),
    streams: [
      streamRouteYaml(
        'TCPRoute',
        'tcp',
        '  parentRefs: [{name: edge, sectionName: tcp}]\n  rules: [{backendRefs: [{name: stream, port: 3000}, {name: plain, port: 3000}]}]',
      ),
      streamRouteYaml(
        'TCPRoute',
        'refused',
        '  parentRefs: [{name: edge, sectionName: refused}]\n  rules: [{backendRefs: [{name: invalid, port: 3000}]}]',
      ),
      streamRouteYaml(
        'TLSRoute',
        'end',
        '  parentRefs: [{name: edge, sectionName: end}]\n  hostnames: [end.front.test]\n  rules: [{backendRefs: [{name: stream, port: 3000}]}]',
      ),
      streamRouteYaml(
        'TLSRoute',
        'pass',
        '  parentRefs: [{name: edge, sectionName: pass}]\n  hostnames: [abc.example.com]\n  rules: [{backendRefs: [{name: stream, port: 3000}]}]',
      ),
    ].join(''),
    services: [
      ...names.map((n) => streamServiceYaml(n, [backendOf(n)])),
      streamServiceYaml('rotating', [echo]),
      streamServiceYaml('grpc', [echo], { more: ', appProtocol: kubernetes.io/h2c' }),
      streamServiceYaml('conflict', [echo]),
      streamServiceYaml('stream', [stream]),
      streamServiceYaml('plain', [plain]),
    ].join(''),
    policies: [
      ...Object.entries(cases).map(([name, given]) => policyOf(name, given)),
      policy('rotating', '').replace('name: ca}', 'name: rotating}'),
      policy('grpc', ''),
      policy('stream', ''),
      policy('conflict', '', { name: 'newer', created: '2026-02-02T00:00:00Z' }).replace(
        'abc.example.com',
        'wrong.test',
      ),
      policy('conflict', '', { name: 'older', created: '2026-01-01T00:00:00Z' }),
    ].join(''),
    authorities: configMap('ca', authority.certificate),
    rotating: configMap('rotating', authority.certificate),
    stranger: configMap('stranger', issueCertificate({ commonName: 'Stranger', isAuthority: true }).certificate),
    secrets:
      tlsSecretYaml('own', own.certificate, own.privateKey) +
      tlsSecretYaml('front', front.certificate, front.privateKey),
  })
})
afterAll(async () => {
  await fixture?.stop()
  for (const backend of [echo, untouched, stream, plain]) await backend?.close()
})

const ask = async (path: string) => {
  const { status, body } = await fixture.get('default/edge/web', `/${path}`, { host: 'front.test' })
  return { status, seen: status === 200 ? (JSON.parse(body) as TlsAnswer) : undefined }
}

describe('a BackendTLSPolicy', () => {
  test.each(Object.entries(cases).map(([name, [, status]]) => [name, status] as const))(
    'of Service %s: requests are answered with %i',
    async (name, status) => {
      expect((await ask(name)).status).toBe(status)
    },
  )

  test('sends its hostname as the server name, also where another name is verified', async () => {
    expect((await ask('good')).seen).toMatchObject({ serverName: 'abc.example.com', protocol: 'http/1.1' })
    expect((await ask('san-dns')).seen).toMatchObject({ serverName: 'abc.example.com' })
  })

  test('that is invalid lets nothing reach the backend, not even a connection', () => {
    expect(untouched.connections).toBe(0)
  })

  test('speaks HTTP/2 to a backend that is of it', async () => {
    expect((await ask('grpc')).seen).toMatchObject({ protocol: 'h2' })
  })

  test('that is older wins, and the other one is told', async () => {
    expect((await ask('conflict')).status).toBe(200)
    const accepted = (name: string) =>
      fixture.conditions('BackendTLSPolicy', 'default', name).find((c) => c.type === 'Accepted')
    expect(accepted('older')).toMatchObject({ about: 'ancestor default/edge', status: 'True', reason: 'Accepted' })
    expect(accepted('newer')).toMatchObject({ status: 'False', reason: 'Conflicted' })
  })

  test('follows the authorities in its ConfigMap: other ones, none, and back', async () => {
    expect((await ask('rotating')).status).toBe(200)
    const accepted = () =>
      fixture.conditions('BackendTLSPolicy', 'default', 'rotating').find((c) => c.type === 'Accepted')?.status
    fixture.apply('rotating', configMap('rotating', issueCertificate({ isAuthority: true }).certificate))
    await fixture.eventually(async () => expect((await ask('rotating')).status).toBe(503))
    expect(accepted()).toBe('True')
    fixture.apply('rotating', configMap('rotating', ''))
    await fixture.eventually(async () => expect((await ask('rotating')).status).toBe(500))
    expect(accepted()).toBe('False')
    fixture.apply('rotating', configMap('rotating', authority.certificate))
    await fixture.eventually(async () => expect((await ask('rotating')).status).toBe(200))
    expect(accepted()).toBe('True')
  })

  test('holds for the connections of TLS listeners that end TLS', async () => {
    const tls = { servername: 'end.front.test', ca: authority.certificate }
    expect(await greetingOf(fixture.url('default/edge/end'), tls)).toBe('stream tls abc.example.com')
  })

  test('does not touch connections that are passed on with the TLS of the client', async () => {
    const tls = { servername: 'abc.example.com', ca: authority.certificate }
    expect(await greetingOf(fixture.url('default/edge/pass'), tls)).toBe('stream tls abc.example.com')
  })

  test('holds for its backend of a TCPRoute, and for no other', async () => {
    const greetings = new Set<string>()
    // Node does not know the server name of a resumed session.
    for (let i = 0; i < 10; i++)
      greetings.add((await greetingOf(fixture.url('default/edge/tcp'))).replace(/tls .*/, 'tls'))
    expect([...greetings].sort()).toEqual(['plain', 'stream tls'])
  })

  test('that is invalid closes the connections of a TCPRoute', async () => {
    expect(await greetingOf(fixture.url('default/edge/refused'))).toBe('EOF')
    expect(untouched.connections).toBe(0)
  })
})

test('a Gateway shows its own certificate to backends', async () => {
  expect((await ask('good')).seen?.client).toBe('CN=gateway')
  const resolved = fixture
    .conditions('Gateway', 'default', 'edge')
    .find((c) => c.about === '' && c.type === 'ResolvedRefs')
  expect(resolved).toMatchObject({ status: 'True', reason: 'ResolvedRefs' })
})
