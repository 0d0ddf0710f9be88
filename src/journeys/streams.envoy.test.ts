import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gatewayClassYaml, gatewayYaml, httpRouteYaml, tlsSecretYaml } from '../testing/builders.ts'
import { type IssuedCertificate, issueCertificate } from '../testing/certificates.ts'
import { type EchoBackend, startEchoBackend } from '../testing/echo-backend.ts'
import { backendYaml, count, repeat, StandaloneFixture } from '../testing/standalone-fixture.ts'
import {
  askUdp,
  greetingOf,
  type StreamBackend,
  StreamClient,
  startTcpBackend,
  startUdpBackend,
  streamRouteYaml,
  streamServiceYaml,
} from '../testing/stream-backends.ts'

/*
 * TLSRoute, TCPRoute and UDPRoute through stock Envoy.
 *
 * Features: TCPRoute, TLSRoute, TLSRouteModeMixed, TLSRouteModeTerminate, UDPRoute.
 */

const tcpPorts = ['one', 'weights', 'rivals', 'invalid', 'broken', 'empty', 'edited', 'endpoints', 'shared']
const udpPorts = ['u-one', 'u-weights', 'u-invalid']
const listeners = [
  ...tcpPorts.map((name, i) => `{name: ${name}, port: ${9300 + i}, protocol: TCP}`),
  ...udpPorts.map((name, i) => `{name: ${name}, port: ${9300 + i}, protocol: UDP}`),
  '{name: pass, port: 443, protocol: TLS, hostname: "*.example.com", tls: {mode: Passthrough}}',
  '{name: end, port: 443, protocol: TLS, hostname: end.example.com, tls: {mode: Terminate, certificateRefs: [{name: all}]}}',
  '{name: web, port: 443, protocol: HTTPS, hostname: web.example.com, tls: {mode: Terminate, certificateRefs: [{name: all}]}}',
  '{name: any, port: 8443, protocol: TLS, tls: {mode: Passthrough}}',
]

const to = (
  listener: string,
  backendRefs: string,
  hostnames = '',
) => `  parentRefs: [{name: edge, sectionName: ${listener}}]
${hostnames && `  hostnames: [${hostnames}]\n`}  rules: [{backendRefs: [${backendRefs}]}]`
const edited = (a: number, b: number) =>
  streamRouteYaml(
    'TCPRoute',
    'edited',
    to('edited', `{name: a, port: 3000, weight: ${a}}, {name: b, port: 3000, weight: ${b}}`),
  )

const backends: Record<string, StreamBackend> = {}
let echo: EchoBackend
let fixture: StandaloneFixture
let authority: IssuedCertificate
beforeAll(async () => {
  authority = issueCertificate({ commonName: 'Authority', isAuthority: true })
  const all = issueCertificate({
    commonName: 'all',
    dnsNames: ['*.example.com', '*.deep.example.com'],
    issuer: authority,
  })
  echo = await startEchoBackend({ service: 'echo' })
  for (const name of ['a', 'b', 'c']) backends[name] = await startTcpBackend(name)
  for (const name of ['tls-a', 'tls-b']) backends[name] = await startTcpBackend(name, all)
  for (const name of ['ua', 'ub']) backends[name] = await startUdpBackend(name)
  const service = (name: string, protocol: 'TCP' | 'UDP' = 'TCP') =>
    streamServiceYaml(name, [backends[name] as StreamBackend], { protocol })
  fixture = await StandaloneFixture.start({
    gateway: gatewayClassYaml + gatewayYaml('edge', `[${listeners.join(', ')}]`),
    tcp: [
      streamRouteYaml('TCPRoute', 'one', to('one', '{name: a, port: 3000}')),
      streamRouteYaml(
        'TCPRoute',
        'weights',
        to(
          'weights',
          '{name: a, port: 3000, weight: 70}, {name: b, port: 3000, weight: 30}, {name: c, port: 3000, weight: 0}',
        ),
      ),
      streamRouteYaml('TCPRoute', 'newer', to('rivals', '{name: a, port: 3000}'), { created: '2026-02-02T00:00:00Z' }),
      streamRouteYaml('TCPRoute', 'older', to('rivals', '{name: b, port: 3000}'), { created: '2026-01-01T00:00:00Z' }),
      streamRouteYaml('TCPRoute', 'invalid', to('invalid', '{name: nothing, port: 3000}')),
      streamRouteYaml(
        'TCPRoute',
        'broken',
        to(
          'broken',
          '{name: a, port: 3000, weight: 3}, {name: nothing, port: 3000, weight: 1}, {name: bare, port: 3000, weight: 1}',
        ),
      ),
      streamRouteYaml('TCPRoute', 'shared', to('shared', '{name: a-and-b, port: 3000}, {name: b-and-c, port: 3000}')),
      streamRouteYaml('TCPRoute', 'endpoints', to('endpoints', '{name: moving, port: 3000}')),
    ].join(''),
    edited: edited(1, 0),
    moving: streamServiceYaml('moving', [backends['a'] as StreamBackend]),
    udp: [
      streamRouteYaml('UDPRoute', 'u-one', to('u-one', '{name: ua, port: 3000}')),
      streamRouteYaml(
        'UDPRoute',
        'u-weights',
        to('u-weights', '{name: ua, port: 3000, weight: 70}, {name: ub, port: 3000, weight: 30}'),
      ),
      streamRouteYaml('UDPRoute', 'u-invalid', to('u-invalid', '{name: ua, port: 3000}, {name: a, port: 3000}')),
    ].join(''),
    tls: [
      streamRouteYaml('TLSRoute', 'wide', to('pass', '{name: tls-a, port: 3000}', '"*.example.com"'), {
        created: '2026-01-01T00:00:00Z',
      }),
      streamRouteYaml(
        'TLSRoute',
        'narrow',
        to('pass', '{name: tls-b, port: 3000}', '"narrow.example.com", "*.deep.example.com"'),
        {
          created: '2026-02-02T00:00:00Z',
        },
      ),
      streamRouteYaml('TLSRoute', 'end', to('end', '{name: a, port: 3000}', 'end.example.com')),
      streamRouteYaml('TLSRoute', 'any', to('any', '{name: tls-b, port: 3000}', 'known.example.com')),
    ].join(''),
    web: httpRouteYaml(
      'web',
      '  parentRefs: [{name: edge, sectionName: web}]\n  rules: [{backendRefs: [{name: echo, port: 3000}]}]',
    ),
    services: [
      ...['a', 'b', 'c', 'tls-a', 'tls-b'].map((name) => service(name)),
      ...['ua', 'ub'].map((name) => service(name, 'UDP')),
      streamServiceYaml('a-and-b', [backends['a'] as StreamBackend, backends['b'] as StreamBackend]),
      streamServiceYaml('b-and-c', [backends['b'] as StreamBackend, backends['c'] as StreamBackend]),
      streamServiceYaml('bare', []),
      backendYaml(echo, { service: 'echo' }),
      tlsSecretYaml('all', all.certificate, all.privateKey),
    ].join(''),
  })
})
afterAll(async () => {
  await fixture?.stop()
  await echo?.close()
  await Promise.all(Object.values(backends).map((b) => b.close()))
})

const url = (listener: string) => fixture.url(`default/edge/${listener}`)
const greetings = async (listener: string, times: number) => count(await repeat(times, () => greetingOf(url(listener))))
const conditionsOf = (kind: string, name: string) =>
  fixture.conditions(kind, 'default', name).map(({ type, status, reason }) => `${type}=${status} ${reason}`)
const messageOf = (kind: string, name: string, type: string) =>
  fixture.conditions(kind, 'default', name).find((c) => c.type === type)?.message

/** A counter of Envoy's. */
async function statOf(name: string): Promise<number> {
  const admin = fixture.view().gateways[0]?.adminUrl
  const text = await (await fetch(`${admin}/stats?filter=^${name}$`)).text()
  return Number(text.split(':')[1] ?? 0)
}

describe('a TCPRoute', () => {
  test('sends connections to its backend, both ways', async () => {
    const client = StreamClient.open(url('one'))
    expect(await client.firstLine()).toBe('a')
    client.write('hello\n')
    await client.until(() => client.received === 'a\nhello\n')
    client.close()
  })

  test('divides connections by weight, and gives none to a weight of 0', async () => {
    const { a = 0, b = 0, ...others } = await greetings('weights', 500)
    expect(others).toEqual({})
    expect(Math.abs(a - 350)).toBeLessThan(25)
    expect(a + b).toBe(500)
  })

  test('gives a pod that two of its Services select the part of both', async () => {
    const { a = 0, b = 0, c = 0, ...others } = await greetings('shared', 400)
    expect(others).toEqual({})
    // More than five standard deviations of chance; Envoy's own choice of localities is not random at all.
    expect(Math.abs(a - 100)).toBeLessThan(45)
    expect(Math.abs(b - 200)).toBeLessThan(50)
    expect(Math.abs(c - 100)).toBeLessThan(45)
  })

  test('that is older gets all connections of a listener, and the other one is told', async () => {
    expect(await greetings('rivals', 50)).toEqual({ b: 50 })
    expect(fixture.listener('default/edge/rivals').attachedRoutes).toBe(2)
    expect(conditionsOf('TCPRoute', 'older')).toEqual(['Accepted=True Accepted', 'ResolvedRefs=True ResolvedRefs'])
    expect(conditionsOf('TCPRoute', 'newer')).toEqual([
      'Accepted=True Accepted',
      'ResolvedRefs=True ResolvedRefs',
      'Programmed=False Conflicted',
    ])
    expect(messageOf('TCPRoute', 'newer', 'Programmed')).toBe(
      'TCPRoute "default/older", which is older, gets the traffic of listener "rivals"',
    )
  })

  test('without a backend that exists closes connections', async () => {
    expect(await greetings('invalid', 5)).toEqual({ EOF: 5 })
    expect(conditionsOf('TCPRoute', 'invalid')).toEqual([
      'Accepted=True Accepted',
      'ResolvedRefs=False BackendNotFound',
    ])
  })

  test('closes the share of a backend that is not there or has no endpoints', async () => {
    const { a = 0, ...ends } = await greetings('broken', 100)
    expect(Math.abs(a - 60)).toBeLessThan(10)
    expect(Object.keys(ends)).toEqual(['EOF'])
  })

  test('is needed: without one connections are closed', async () => {
    expect(await greetings('empty', 5)).toEqual({ EOF: 5 })
  })

  test('that is edited moves new connections, keeps open ones, and changes no listener', async () => {
    const client = StreamClient.open(url('edited'))
    expect(await client.firstLine()).toBe('a')
    const before = [
      await statOf('listener_manager.listener_modified'),
      await statOf('listener_manager.listener_in_place_updated'),
    ]
    fixture.apply('edited', edited(0, 1))
    await fixture.eventually(async () => expect(await greetings('edited', 20)).toEqual({ b: 20 }))
    fixture.apply('edited', edited(1, 1))
    await fixture.eventually(async () => expect(Object.keys(await greetings('edited', 20)).sort()).toEqual(['a', 'b']))
    client.write('still here\n')
    await client.until(() => client.received === 'a\nstill here\n')
    expect(client.state).toBe('open')
    expect([
      await statOf('listener_manager.listener_modified'),
      await statOf('listener_manager.listener_in_place_updated'),
    ]).toEqual(before)
    client.close()
  })

  test('follows the endpoints of its Service, and keeps connections to one that has left', async () => {
    const client = StreamClient.open(url('endpoints'))
    expect(await client.firstLine()).toBe('a')
    fixture.apply('moving', streamServiceYaml('moving', [backends['b'] as StreamBackend]))
    await fixture.eventually(async () => expect(await greetings('endpoints', 10)).toEqual({ b: 10 }))
    client.write('still here\n')
    await client.until(() => client.received === 'a\nstill here\n')
    client.close()
  })
})

describe('a UDPRoute', () => {
  test('sends datagrams to its backend and the answers back', async () => {
    expect(await askUdp(url('u-one'))).toBe('ua')
  })

  test('divides clients by weight', async () => {
    const { ua = 0, ub = 0 } = count(await repeat(500, () => askUdp(url('u-weights')), 10))
    expect(ua + ub).toBe(500)
    expect(Math.abs(ua - 350)).toBeLessThan(25)
  })

  test('needs a port of UDP, and drops the share of a Service that has none', async () => {
    const { ua = 0, nothing = 0 } = count(await repeat(40, () => askUdp(url('u-invalid')), 20))
    expect([ua, nothing]).toEqual([20, 20])
    expect(messageOf('UDPRoute', 'u-invalid', 'ResolvedRefs')).toBe('Service "a" has no UDP port 3000')
  })
})

describe('a TLSRoute', () => {
  const tls = (serverName: string) => ({ servername: serverName, ca: authority.certificate })

  test.each([
    ['pass', 'some.example.com', 'tls-a tls some.example.com'],
    ['pass', 'narrow.example.com', 'tls-b tls narrow.example.com'],
    ['pass', 'x.deep.example.com', 'tls-b tls x.deep.example.com'],
    ['end', 'end.example.com', 'a'],
    ['any', 'known.example.com', 'tls-b tls known.example.com'],
  ])('of listener %s serves the name %s', async (listener, serverName, greeting) => {
    expect(await greetingOf(url(listener), tls(serverName))).toBe(greeting)
  })

  test('shares its port with HTTPS', async () => {
    const answer = await fixture.get('default/edge/web', '/', { host: 'web.example.com', ca: authority.certificate })
    expect(answer.echo).toMatchObject({ service: 'echo', host: 'web.example.com' })
  })

  test.each([
    ['pass', 'example.org'],
    ['any', 'unknown.example.com'],
  ])('of listener %s lets a connection for %s end without a word', async (listener, serverName) => {
    // A TLS alert would be ERR_SSL_*.
    expect(['EOF', 'ECONNRESET']).toContain(await greetingOf(url(listener), tls(serverName)))
  })

  test('lets a connection without TLS end', async () => {
    const client = StreamClient.open(url('any'))
    client.write('GET / HTTP/1.1\r\n\r\n')
    await client.until(() => client.state !== 'open')
    expect(client.received).toBe('')
  })
})
